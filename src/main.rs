//! The executable; all of it is the library's.

fn main() {}
