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
