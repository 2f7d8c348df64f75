//! A withdrawal's request and its signer.

use custodyd_httpsig::{SignedRequest, SigningKey, UnsignedRequest, VerifyingKey, sign};

pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const NONCE: &str = "AAAAAAAAAAAAAAAAAAAAAA";
pub(crate) const WITHDRAWAL: UnsignedRequest<'static> = UnsignedRequest {
    method: "POST",
    authority: "custody.example:8443",
    target: "/v1/withdrawals",
    content_type: Some("application/json"),
    idempotency_key: Some("order-1"),
    body: b"{\"amount\":\"1.5\"}",
};

pub(crate) fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

pub(crate) fn public() -> VerifyingKey {
    key().verifying_key()
}

pub(crate) fn signed(request: &UnsignedRequest<'_>) -> SignedRequest {
    sign(request, "client/exchange", NONCE, NOW, &key())
        .unwrap()
        .attach(request)
}
