//! The signature base (RFC 9421 §2.5): the text that is signed.

/// The text for these components, in this order, under these signature parameters.
///
/// `parameters` is the serialised inner list with its parameters, which is what follows `label=` in `Signature-Input`.
/// Names and values hold no line feed: [`crate::message::Message`] refuses such values.
pub(crate) fn signature_base<'a>(
    components: impl Iterator<Item = (&'a str, &'a str)>,
    parameters: &str,
) -> String {
    let mut base = String::with_capacity(512);
    for (name, value) in components {
        push_line(&mut base, name, value);
        base.push('\n');
    }
    push_line(&mut base, "@signature-params", parameters);
    base
}

fn push_line(base: &mut String, name: &str, value: &str) {
    base.push('"');
    base.push_str(name);
    base.push_str("\": ");
    base.push_str(value);
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

    use super::*;

    /// RFC 9421 B.1.4, test-key-ed25519, as in its JWK: `d` and `x`.
    const PRIVATE: &str = "n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU";
    const PUBLIC: &str = "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs";

    /// RFC 9421 B.2.6.
    const COMPONENTS: [(&str, &str); 6] = [
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("@method", "POST"),
        ("@path", "/foo"),
        ("@authority", "example.com"),
        ("content-type", "application/json"),
        ("content-length", "18"),
    ];
    const PARAMETERS: &str = "(\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\")\
                              ;created=1618884473;keyid=\"test-key-ed25519\"";
    const SIGNATURE: &str =
        "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==";

    fn key(text: &str) -> [u8; 32] {
        URL_SAFE_NO_PAD.decode(text).unwrap().try_into().unwrap()
    }

    #[test]
    fn the_base_of_rfc_9421_b_2_6_is_reproduced() {
        assert_eq!(
            signature_base(COMPONENTS.into_iter(), PARAMETERS),
            "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\
             \"@method\": POST\n\
             \"@path\": /foo\n\
             \"@authority\": example.com\n\
             \"content-type\": application/json\n\
             \"content-length\": 18\n\
             \"@signature-params\": (\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \
             \"content-length\");created=1618884473;keyid=\"test-key-ed25519\""
        );
    }

    #[test]
    fn the_signature_of_rfc_9421_b_2_6_is_made_and_verified() {
        let base = signature_base(COMPONENTS.into_iter(), PARAMETERS);
        let signing = SigningKey::from_bytes(&key(PRIVATE));
        let verifying = VerifyingKey::from_bytes(&key(PUBLIC)).unwrap();
        assert_eq!(signing.verifying_key(), verifying);
        // Ed25519 is deterministic (RFC 8032 §5.1.6), so the very bytes of the RFC must come out.
        let signature = signing.sign(base.as_bytes());
        assert_eq!(STANDARD.encode(signature.to_bytes()), SIGNATURE);
        let published = Signature::from_slice(&STANDARD.decode(SIGNATURE).unwrap()).unwrap();
        verifying
            .verify_strict(base.as_bytes(), &published)
            .unwrap();
    }
}
