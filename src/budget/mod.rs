//! The account of resources: what one client, one person, one address and all together may hold in
//! memory.
//!
//! Each thing that a peer can make the server keep (bytes waiting to be sent, bytes half received,
//! answers being written) has a bound for one owner where it is kept, and takes its bytes from a
//! [`Pool`] here, so that the sum is bounded too. A pool never waits: where it is empty the owner
//! who asks is refused, and its policy says what that means. The pools of one server are one
//! [`Budget`], a share each of the memory that the server may use. The account of
//! resources in `contract/documents/operate.md` is the table of all this; `tests/it/resources.rs`
//! tries its rows.

mod bounds;
mod machine;
mod pool;
mod portions;
mod shares;

pub use bounds::{
    ANSWER_STALL, ANSWER_STEP, ANSWERS_OF_A_PERSON, ANSWERS_OF_AN_ADDRESS, HALVES_OF_AN_ADDRESS,
    LEAST_PART, MAX_CONNECTIONS_PER_ADDRESS, PAGE_BYTES, SOCKET_BUFFER, STREAM_BYTES,
    STREAMS_OF_AN_ADDRESS, UNCOUNTED_ANSWER, UNCOUNTED_HALF,
};
pub use machine::{Memory, memory_of_this_process};
pub use pool::{Pool, Share};
pub use portions::{Owner, Portion, Portions};
pub use shares::{Budget, MIN_MEMORY};
