//! A bundle that somebody holds already as QR codes, and parts that were scanned back into a bundle. Pure: what comes in is what
//! goes out in another form, and nothing is read from the vault or kept.

use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use custodyd_airgap::{from_parts, parts::MAX_BYTES, to_parts};
use qrcode::{Color, EcLevel, QrCode};
use serde::{Deserialize, Serialize};

use crate::{console::posted, problem::Problem};

/// Largest body, bytes: the largest bundle in base64, or its parts, several times over.
const LIMIT: usize = 1024 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tar {
    /// base64.
    bytes: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    /// One a line.
    text: String,
}

/// A part, and its QR code.
#[derive(Debug, Serialize)]
struct Code {
    text: String,
    /// Modules in a row.
    size: usize,
    /// Its rows, `1` for dark.
    rows: Vec<String>,
}

/// `POST /console/cold/codes`: QR codes of a bundle that the caller has.
pub(super) async fn codes(body: Body) -> Result<Response, Problem> {
    let body = posted::read(body, LIMIT).await?;
    let Tar { bytes } = posted::json(&body)?;
    let bytes = STANDARD
        .decode(bytes)
        .map_err(|_| Problem::malformed("the bundle is not in base64"))?;
    let codes = drawn(&bytes)?;
    Ok(axum::Json(codes).into_response())
}

fn drawn(bytes: &[u8]) -> Result<Vec<Code>, Problem> {
    let refused = |error: String| Problem::new(422, "parts", "No QR codes", error);
    let parts = to_parts(bytes).map_err(|error| refused(error.to_string()))?;
    parts
        .into_iter()
        // Capitals and digits take a QR code's smaller alphabet.
        .map(|part| part.to_ascii_uppercase())
        .map(|text| code(text).map_err(|error| refused(error.to_string())))
        .collect()
}

fn code(text: String) -> Result<Code, qrcode::types::QrError> {
    let code = QrCode::with_error_correction_level(&text, EcLevel::L)?;
    let size = code.width();
    let dark = |color: &Color| if *color == Color::Dark { '1' } else { '0' };
    let colors = code.to_colors();
    let rows = colors
        .chunks(size.max(1))
        .map(|row| row.iter().map(dark).collect());
    Ok(Code {
        rows: rows.collect(),
        text,
        size,
    })
}

/// `POST /console/cold/joined`: the bundle that scanned parts make up.
pub(super) async fn joined(body: Body) -> Result<Response, Problem> {
    let body = posted::read(body, LIMIT).await?;
    let Parts { text } = posted::json(&body)?;
    let bytes = from_parts(&text)
        .map_err(|error| Problem::new(422, "parts", "No bundle yet", error.to_string()))?;
    if bytes.len() > MAX_BYTES {
        return Err(Problem::malformed("the bundle is larger than parts may be"));
    }
    let joined = serde_json::json!({ "bytes": STANDARD.encode(bytes) });
    Ok(axum::Json(joined).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn codes_of_a_bundle_are_its_parts_and_make_it_up_again() {
        let bundle: Vec<u8> = (0..5_000_u32)
            .map(|n| u8::try_from(n % 256).unwrap())
            .collect();
        let codes = drawn(&bundle).unwrap();
        assert!(
            codes
                .iter()
                .all(|code| code.size <= 97 && code.rows.len() == code.size)
        );
        let text: Vec<&str> = codes.iter().rev().map(|code| code.text.as_str()).collect();
        let asked = serde_json::json!({ "text": text.join("\n") }).to_string();
        let answer = joined(Body::from(asked)).await.unwrap();
        let bytes = axum::body::to_bytes(answer.into_body(), LIMIT)
            .await
            .unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(
            STANDARD.decode(answer["bytes"].as_str().unwrap()).unwrap(),
            bundle
        );
    }

    #[tokio::test]
    async fn what_is_no_bundle_or_too_large_is_said_to_be() {
        let too_large = STANDARD.encode(vec![1; MAX_BYTES + 1]);
        for (asked, status) in [
            (serde_json::json!({ "bytes": too_large }), 422),
            (serde_json::json!({ "bytes": "" }), 422),
            (serde_json::json!({ "bytes": "%" }), 400),
            (serde_json::json!({ "other": 1 }), 400),
        ] {
            let refused = codes(Body::from(asked.to_string())).await.unwrap_err();
            assert_eq!(refused.status, status, "{refused:?}");
        }
        let asked = serde_json::json!({ "text": "hello" }).to_string();
        assert_eq!(joined(Body::from(asked)).await.unwrap_err().status, 422);
    }
}
