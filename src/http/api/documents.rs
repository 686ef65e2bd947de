//! What clients can rely on, as documents, and the guides for people. Unpacked when first asked
//! for, and then kept: some 700 KiB.
//!
//! The code says them ([`written`]), and `contract/documents/made` keeps what it last said, which
//! the build script packs: so a change of the contract is seen where it is reviewed, and the
//! executable holds a few packed bytes in place of a schema of each type. A test holds both against
//! each other.

use std::sync::OnceLock;

use bytes::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{Request, Response, StatusCode};
use serde_json::Value;

use crate::contract::documents::{self, Access, Operation};
use crate::contract::{Code, events, webhooks};
use crate::http::app::App;
use crate::http::assets::is_known;
use crate::http::router::ROUTES;
use crate::web::{Body, RequestBody};

/// The documents, their page, and the guides.
#[derive(Default)]
pub(in crate::http) struct Documents(OnceLock<Made>);

struct Made {
    openapi: Bytes,
    asyncapi: Bytes,
    page: Bytes,
    /// By their names.
    guides: [(&'static str, Bytes); 3],
}

impl Documents {
    fn made(&self) -> &Made {
        self.0.get_or_init(|| {
            let openapi = unpacked(OPENAPI_PACKED);
            let asyncapi = unpacked(ASYNCAPI_PACKED);
            let read = |text: &Bytes| serde_json::from_slice(text).unwrap_or(Value::Null);
            let more = documents::More {
                examples: &read(&unpacked(EXAMPLES_PACKED)),
                changes: &unpacked(CHANGES_PACKED),
            };
            let page = documents::page(&read(&openapi), &read(&asyncapi), more);
            Made {
                page: page.into(),
                openapi,
                asyncapi,
                guides: GUIDES_PACKED.map(|(name, packed)| (name, unpacked(packed))),
            }
        })
    }
}

const OPENAPI_PACKED: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/documents/openapi.json.zlib"));
const ASYNCAPI_PACKED: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/documents/asyncapi.json.zlib"));
const EXAMPLES_PACKED: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/documents/examples.json.zlib"));
const CHANGES_PACKED: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/documents/changes.html.zlib"));
const GUIDES_PACKED: [(&str, &[u8]); 3] = [
    (
        "app",
        include_bytes!(concat!(env!("OUT_DIR"), "/documents/app.html.zlib")),
    ),
    (
        "chat",
        include_bytes!(concat!(env!("OUT_DIR"), "/documents/chat.html.zlib")),
    ),
    (
        "operate",
        include_bytes!(concat!(env!("OUT_DIR"), "/documents/operate.html.zlib")),
    ),
];

fn unpacked(packed: &[u8]) -> Bytes {
    let text = miniz_oxide::inflate::decompress_to_vec_zlib(packed);
    text.expect("the build script packed it").into()
}

/// The documents as the code says them.
#[derive(Debug)]
pub struct Written {
    /// OpenAPI 3.1: the routes.
    pub openapi: Value,
    /// AsyncAPI 3.0: the events of a socket.
    pub asyncapi: Value,
    /// Pages and parts of pages for people: the name of each file, and its HTML.
    pub pages: Vec<(String, String)>,
}

/// Returns the documents as the code says them. What is served is what was last kept of this.
pub fn written() -> Written {
    Written {
        openapi: documents::openapi(ROUTES, &webhooks()),
        asyncapi: documents::asyncapi(&events()),
        pages: documents::GUIDES
            .iter()
            .map(|guide| (format!("{}.html", guide.name), documents::guide(guide)))
            .chain([("changes.html".to_owned(), documents::changes())])
            .collect(),
    }
}

const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";

pub(in crate::http) const OPENAPI: Operation = Operation::new(
    Access::Anyone,
    "This document: the routes, as OpenAPI 3.1 tells them.",
)
.refuses(&[Code::StorageUnavailable])
.bare(JSON);

/// `GET /api/openapi.json`
pub(in crate::http) fn openapi(app: &App, request: &Request<RequestBody>) -> Response<Body> {
    show(app, request, &app.documents.made().openapi, JSON)
}

pub(in crate::http) const ASYNCAPI: Operation = Operation::new(
    Access::Anyone,
    "The events of a socket, as AsyncAPI 3.0 tells them.",
)
.refuses(&[Code::StorageUnavailable])
.bare(JSON);

/// `GET /api/asyncapi.json`
pub(in crate::http) fn asyncapi(app: &App, request: &Request<RequestBody>) -> Response<Body> {
    show(app, request, &app.documents.made().asyncapi, JSON)
}

pub(in crate::http) const PAGE: Operation = Operation::new(
    Access::Anyone,
    "Both documents as a page for people, with examples and the change log.",
)
.refuses(&[Code::StorageUnavailable])
.bare(HTML);

/// `GET /docs`
pub(in crate::http) fn page(app: &App, request: &Request<RequestBody>) -> Response<Body> {
    show(app, request, &app.documents.made().page, HTML)
}

pub(in crate::http) const GUIDE: Operation = Operation::new(
    Access::Anyone,
    "A guide for people: how to add chat to an app.",
)
.refuses(&[Code::StorageUnavailable])
.bare(HTML);

pub(in crate::http) const CHAT_GUIDE: Operation = Operation::new(
    Access::Anyone,
    "A guide for people: what events and routes mean together.",
)
.refuses(&[Code::StorageUnavailable])
.bare(HTML);

pub(in crate::http) const HANDBOOK: Operation = Operation::new(
    Access::Anyone,
    "A guide for people: the handbook of the one who runs the server.",
)
.refuses(&[Code::StorageUnavailable])
.bare(HTML);

/// `GET /docs/app`, `/docs/chat` and `/docs/operate`: the guide of this name.
pub(in crate::http) fn guide(
    app: &App,
    request: &Request<RequestBody>,
    name: &str,
) -> Response<Body> {
    let guides = &app.documents.made().guides;
    let found = guides.iter().find(|(known, _)| *known == name);
    let body = found.map(|(_, body)| body.clone()).unwrap_or_default();
    show(app, request, &body, HTML)
}

fn show(
    app: &App,
    request: &Request<RequestBody>,
    body: &Bytes,
    media_type: &'static str,
) -> Response<Body> {
    let etag = format!("\"{:08x}\"", crc32c::crc32c(body));
    let mut response = if is_known(request.headers(), &etag) {
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        Response::new(Body::Kept(body.clone()))
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    // It is another one after an upgrade, so a browser asks each time and mostly hears that it has
    // it.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONTENT_SECURITY_POLICY, app.page_policy.clone());
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    response
}
