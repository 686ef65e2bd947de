//! `/api/auth/sign-in-link` and `/api/auth/sign-in`: from a page of the app into chatd's own.

use hyper::{Request, Response, StatusCode};

use crate::contract::documents::{Access, Operation};
use crate::contract::rows::{LoggedIn, SignInLink};
use crate::contract::{Code, Fields, Refusal, reads};
use crate::http::answer;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::request::{allow, base_url, body, caller, credential, optional_body};
use crate::limits::Kind;
use crate::web::{Body, RequestBody};

/// The longest place within the page, in characters.
const MAX_PATH_CHARS: usize = 512;

reads! {
    /// The body of a wish for a sign-in link.
    WantedLink from Fields<'_> {
        /// What the page shows first, such as `/#/chat/2`: it begins with `/#/`.
        optional path: String,
    }
}

reads! {
    /// The code of a sign-in link.
    SignInCode from Fields<'_> {
        required code: String,
    }
}

pub(in crate::http) const MAKE: Operation = Operation::new(
    Access::User,
    "Makes a link, good once and for 60 s, that opens the page as the caller, who shows a token of an app.",
)
.optional_body::<WantedLink>()
.answers(&[201])
.refuses(&[Code::Forbidden])
.data::<SignInLink>();

/// `POST /api/auth/sign-in-link` `{"path"?:"/#/chat/2"}`: 201 `{"url"}`.
///
/// The code stands in the URL's fragment, before the place in the page: `#/sign-in/CODE/chat/2`.
pub(in crate::http) async fn make(
    app: &App,
    request: Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, &request).await?;
    let token = credential(&request).unwrap_or_default().to_owned();
    let base = base_url(app, &request);
    let body = optional_body(request).await?;
    let fields = Fields::parse(&body)?;
    let path = WantedLink::read(&fields)?.path.unwrap_or("/#/".into());
    let place = place(&path).ok_or_else(|| {
        Refusal::invalid("path must begin with /#/ and be a fragment of at most 512 characters")
    })?;
    let code = app.accounts.sign_in_code((app.clock)(), &caller, &token)?;
    let link = SignInLink {
        url: format!("{base}/#/sign-in/{code}{place}"),
    };
    Ok(answer::data(StatusCode::CREATED, link))
}

/// Returns the place in the page that a path names: `/chat/2` of `/#/chat/2`, and nothing of `/#/`.
fn place(path: &str) -> Option<&str> {
    // RFC 3986, section 3.5.
    let is_of_fragment =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte);
    let place = path.strip_prefix("/#")?;
    let fits = place.starts_with('/') && path.len() <= MAX_PATH_CHARS;
    let place = place.strip_suffix('/').unwrap_or(place);
    (fits && place.bytes().all(is_of_fragment)).then_some(place)
}

pub(in crate::http) const USE: Operation = Operation::new(
    Access::Anyone,
    "Uses the code of a sign-in link up: the app's token, and whose it is.",
)
.body::<SignInCode>()
.refuses(&[
    Code::AccountDisabled,
    Code::InvalidCode,
    Code::InvalidToken,
    Code::RateLimited,
    Code::TokenExpired,
])
.data::<LoggedIn>();

/// `POST /api/auth/sign-in` `{"code"}`: 200 and the app's token, by which the page is that person.
pub(in crate::http) async fn use_code(
    app: &App,
    request: Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    allow(app, &request, Kind::Logins)?;
    let body = body(request).await?;
    let code = SignInCode::read(&Fields::parse(&body)?)?.code;
    let (token, caller) = app.accounts.sign_in((app.clock)(), &code).await?;
    Ok(answer::data(
        StatusCode::OK,
        LoggedIn::by_app(token, &caller),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_fragment_of_this_page_and_no_address_of_another() {
        for (path, expected) in [
            ("/#/", Some("")),
            ("/#/chat/2", Some("/chat/2")),
            ("/#/chat/2/", Some("/chat/2")),
            ("/#/room/7?x=%20", Some("/room/7?x=%20")),
            ("", None),
            ("/", None),
            ("/#", None),
            ("#/chat/2", None),
            ("//evil.example/#/", None),
            ("https://evil.example/#/", None),
            ("/#/a b", None),
            ("/#/a#b", None),
            ("/#/\"", None),
            ("/#/ä", None),
        ] {
            assert_eq!(place(path), expected, "{path}");
        }
        assert_eq!(place(&format!("/#/{}", "x".repeat(MAX_PATH_CHARS))), None);
    }
}
