//! The console's own style sheet and scripts, as they are built into the program. Each is served under a name that holds its
//! hash, so that a browser may keep it for good and never runs one version's script on another's page.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use sha2::{Digest as _, Sha256};

/// One file.
#[derive(Debug)]
pub struct Asset {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
    /// Whether every page loads it, as a script.
    everywhere: bool,
}

/// Digits of the hash in a file's name: 64 bits tell versions of one file apart.
const HASH_DIGITS: usize = 16;

static ASSETS: [Asset; 9] = [
    Asset {
        name: "console.css",
        kind: "text/css; charset=utf-8",
        text: include_str!("static/console.css"),
        everywhere: false,
    },
    Asset {
        name: "live.js",
        kind: "text/javascript; charset=utf-8",
        text: include_str!("static/live.js"),
        everywhere: true,
    },
    Asset {
        name: "code.js",
        kind: "text/javascript; charset=utf-8",
        text: include_str!("static/code.js"),
        everywhere: true,
    },
    Asset {
        name: "passkey.js",
        kind: "text/javascript; charset=utf-8",
        text: include_str!("static/passkey.js"),
        everywhere: true,
    },
    Asset {
        name: "act.js",
        kind: "text/javascript; charset=utf-8",
        text: include_str!("static/act.js"),
        everywhere: true,
    },
    Asset {
        name: "pages.js",
        kind: "text/javascript; charset=utf-8",
        text: include_str!("static/pages.js"),
        everywhere: true,
    },
    Asset {
        name: "cold.js",
        kind: "text/javascript; charset=utf-8",
        text: include_str!("static/cold.js"),
        everywhere: true,
    },
    Asset {
        name: "login.js",
        kind: "text/javascript; charset=utf-8",
        text: include_str!("static/login.js"),
        everywhere: false,
    },
    Asset {
        name: "enrol.js",
        kind: "text/javascript; charset=utf-8",
        text: include_str!("static/enrol.js"),
        everywhere: false,
    },
];

/// Each file's name with its hash, in the order of [`ASSETS`].
static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
    ASSETS
        .iter()
        .map(|asset| {
            let mut hash = hex::encode(Sha256::digest(asset.text.as_bytes()));
            hash.truncate(HASH_DIGITS);
            let (stem, ending) = asset.name.rsplit_once('.').unwrap_or((asset.name, ""));
            format!("{stem}.{hash}.{ending}")
        })
        .collect()
});

/// Where a file is found: `/console/static/console.0f3a….css`. A file that there is none of gives the folder.
pub fn href(name: &str) -> String {
    let found = ASSETS.iter().zip(NAMES.iter());
    let found = found
        .filter(|(asset, _)| asset.name == name)
        .map(|(_, hashed)| hashed.as_str())
        .next();
    format!("/console/static/{}", found.unwrap_or_default())
}

/// The scripts that every page loads, in this order.
pub fn scripts() -> Vec<String> {
    let scripts = ASSETS.iter().filter(|asset| asset.everywhere);
    scripts.map(|asset| href(asset.name)).collect()
}

/// `GET /console/static/{name}`: one file, for good. Needs no session: it is the same for everybody.
pub async fn serve(Path(name): Path<String>) -> Response {
    let mut found = ASSETS.iter().zip(NAMES.iter());
    let Some((asset, _)) = found.find(|(_, hashed)| **hashed == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers: [(HeaderName, HeaderValue); 2] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(asset.kind)),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=31536000, immutable"),
        ),
    ];
    (headers, asset.text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_holds_the_hash_of_what_is_in_it() {
        let name = href("console.css");
        let hash = name
            .strip_prefix("/console/static/console.")
            .and_then(|rest| rest.strip_suffix(".css"))
            .unwrap();
        let text = include_str!("static/console.css");
        assert_eq!(hash, &hex::encode(Sha256::digest(text))[..HASH_DIGITS]);
    }

    #[tokio::test]
    async fn a_file_is_kept_for_good_and_an_old_name_is_not_found() {
        let name = href("live.js").rsplit('/').next().unwrap().to_owned();
        let served = serve(Path(name)).await;
        assert_eq!(served.status(), StatusCode::OK);
        let kept = &served.headers()[header::CACHE_CONTROL];
        assert!(kept.to_str().unwrap().contains("immutable"));
        for old in ["live.js", "live.0000000000000000.js", "../assets.rs"] {
            let served = serve(Path(old.to_owned())).await;
            assert_eq!(served.status(), StatusCode::NOT_FOUND, "{old}");
        }
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere() {
        for asset in &ASSETS {
            for elsewhere in ["http:", "https:", "url(//", "@import"] {
                assert!(!asset.text.contains(elsewhere), "{}", asset.name);
            }
        }
    }
}
