//! `/api/admin/compact`: gives back what the data file does not need, while the server runs.

use hyper::{Request, Response, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use crate::chat::ChatError;
use crate::contract::documents::{Access, Operation};
use crate::contract::{Code, Refusal};
use crate::http::answer;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::request::operator;
use crate::web::{Body, RequestBody};

/// When to try again while the file is being rewritten.
const RETRY_AFTER_MS: u64 = 30_000;

/// `{"before":9000000,"after":5000000}`: how many bytes the data file had, and has.
#[derive(Serialize, JsonSchema)]
struct Sizes {
    before: u64,
    after: u64,
}

pub(in crate::http) const MAKE: Operation = Operation::new(
    Access::Operator,
    "Puts a compact copy in the place of the data file: no byte of what was erased is in it. For `chatd compact`, answered by the \
     control socket alone. One at a time.",
)
.refuses(&[Code::RateLimited])
.data::<Sizes>();

/// `POST /api/admin/compact`, for the server's operator: answered once the new file has its place.
pub(in crate::http) async fn make(
    app: &App,
    request: &Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    operator(request)?;
    let sizes = app.chat.compact().await.map_err(refusal)?;
    // What was erased is gone from the search's files too, before the operator is told so.
    if !app.search.purge().await {
        return Err(refusal(ChatError::Unavailable));
    }
    let (before, after) = (sizes.before, sizes.after);
    Ok(answer::data(StatusCode::OK, Sizes { before, after }))
}

/// Returns why it was not made.
fn refusal(error: ChatError) -> ApiError {
    match error {
        ChatError::Busy => {
            let message = "the data file is being rewritten already, try again when that is done";
            Refusal::later(message, RETRY_AFTER_MS).into()
        }
        ChatError::Unavailable => Refusal::new(
            Code::StorageUnavailable,
            "the data file could not be rewritten, mostly for want of room on the disk: the server's log says why",
        )
        .into(),
        error => error.into(),
    }
}
