//! What browsers may do with the page: its Content-Security-Policy.

use hyper::header::HeaderValue;

use super::Origin;

/// Where the page may stand, and whose pictures it shows.
#[derive(Debug, Clone, Default)]
pub struct PagePolicy {
    /// The pages in whose frames it may stand; in none, where there is none.
    pub frame_ancestors: Vec<Origin>,
    /// The origins whose pictures of people it shows.
    pub avatar_origins: Vec<Origin>,
}

impl PagePolicy {
    /// Returns the header: the page runs nothing and loads nothing but its own files, but for
    /// pictures of people, and turns no text into markup or code, but for the address of its
    /// service worker. The icon of its tab is in the page itself.
    pub fn header(&self) -> HeaderValue {
        let listed = |origins: &[Origin]| -> String {
            origins.iter().map(|origin| format!(" {origin}")).collect()
        };
        let ancestors = match self.frame_ancestors.is_empty() {
            true => " 'none'".to_owned(),
            false => listed(&self.frame_ancestors),
        };
        let pictures = listed(&self.avatar_origins);
        let policy = format!(
            "default-src 'self'; img-src 'self' data:{pictures}; object-src 'none'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors{ancestors}; require-trusted-types-for 'script'; trusted-types worker"
        );
        HeaderValue::from_str(&policy).expect("an origin is visible ASCII")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_stands_in_no_frame_unless_an_origin_is_named() {
        let policy = PagePolicy::default().header();
        let policy = policy.to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'none';"), "{policy}");
        assert!(policy.contains("img-src 'self' data:;"), "{policy}");
        assert!(
            policy.contains("worker-src 'self'; manifest-src 'self';"),
            "{policy}"
        );
        let origin = |text: &str| Origin::parse(text).unwrap();
        let policy = PagePolicy {
            frame_ancestors: vec![
                origin("https://app.example.org"),
                origin("http://[::1]:5173"),
            ],
            avatar_origins: vec![origin("https://pictures.example.org")],
        };
        let policy = policy.header();
        let policy = policy.to_str().unwrap();
        let wanted = "frame-ancestors https://app.example.org http://[::1]:5173;";
        assert!(policy.contains(wanted), "{policy}");
        let wanted = "img-src 'self' data: https://pictures.example.org;";
        assert!(policy.contains(wanted), "{policy}");
    }
}
