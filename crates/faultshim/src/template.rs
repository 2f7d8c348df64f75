//! A caller's attributes: read, answered, and copied with changes.
#![allow(unsafe_code, reason = "attributes are C pointers")]

use cryptoki_sys as c;

/// A template as a caller handed it in.
pub(crate) struct Template<'a>(pub(crate) &'a mut [c::CK_ATTRIBUTE]);

impl Template<'_> {
    /// # Safety
    /// The pointers must be those of a PKCS#11 call: `count` attributes, each with `ulValueLen` bytes or a null pointer,
    /// valid for the call's duration.
    pub(crate) unsafe fn new(first: *mut c::CK_ATTRIBUTE, count: c::CK_ULONG) -> Self {
        let count = usize::try_from(count).unwrap_or_default();
        if first.is_null() || count == 0 {
            return Self(&mut []);
        }
        // SAFETY: promised by the caller.
        Self(unsafe { std::slice::from_raw_parts_mut(first, count) })
    }

    pub(crate) fn has(&self, kind: c::CK_ATTRIBUTE_TYPE) -> bool {
        self.0.iter().any(|attribute| attribute.type_ == kind)
    }

    pub(crate) fn value(&self, kind: c::CK_ATTRIBUTE_TYPE) -> Option<&[u8]> {
        let attribute = self.0.iter().find(|attribute| attribute.type_ == kind)?;
        if attribute.pValue.is_null() {
            return None;
        }
        let length = usize::try_from(attribute.ulValueLen).ok()?;
        // SAFETY: promised by `new`'s caller.
        Some(unsafe { std::slice::from_raw_parts(attribute.pValue.cast(), length) })
    }

    pub(crate) fn flag(&self, kind: c::CK_ATTRIBUTE_TYPE) -> Option<bool> {
        self.value(kind)?.first().map(|byte| *byte != 0)
    }

    pub(crate) fn number(&self, kind: c::CK_ATTRIBUTE_TYPE) -> Option<c::CK_ULONG> {
        Some(c::CK_ULONG::from_ne_bytes(
            self.value(kind)?.try_into().ok()?,
        ))
    }
}

/// Says that an attribute can't be had.
pub(crate) fn unavailable(attribute: &mut c::CK_ATTRIBUTE) {
    attribute.ulValueLen = c::CK_UNAVAILABLE_INFORMATION;
}

/// Answers one attribute as C_GetAttributeValue does (PKCS#11 3.0 §5.7.5).
pub(crate) fn answer(attribute: &mut c::CK_ATTRIBUTE, value: &[u8]) -> c::CK_RV {
    let length = value.len() as c::CK_ULONG;
    if attribute.pValue.is_null() {
        attribute.ulValueLen = length;
        return c::CKR_OK;
    }
    if attribute.ulValueLen < length {
        unavailable(attribute);
        return c::CKR_BUFFER_TOO_SMALL;
    }
    // SAFETY: the caller says that `ulValueLen` bytes are there, and they are no less than `value` has.
    unsafe {
        std::ptr::copy_nonoverlapping(value.as_ptr(), attribute.pValue.cast::<u8>(), value.len());
    }
    attribute.ulValueLen = length;
    c::CKR_OK
}

/// A copy of a template in which some attributes have another value.
pub(crate) struct Rewritten {
    attributes: Vec<c::CK_ATTRIBUTE>,
    /// What the attributes point to.
    _values: Vec<Vec<u8>>,
}

impl Rewritten {
    pub(crate) fn of(
        template: &Template<'_>,
        changes: Vec<(c::CK_ATTRIBUTE_TYPE, Vec<u8>)>,
    ) -> Self {
        let changed = |kind| changes.iter().any(|(other, _)| *other == kind);
        let mut attributes: Vec<_> = template
            .0
            .iter()
            .copied()
            .filter(|attribute| !changed(attribute.type_))
            .collect();
        let (kinds, mut values): (Vec<_>, Vec<_>) = changes.into_iter().unzip();
        attributes.extend(kinds.into_iter().zip(&mut values).map(|(kind, value)| {
            c::CK_ATTRIBUTE {
                type_: kind,
                pValue: value.as_mut_ptr().cast(),
                ulValueLen: value.len() as c::CK_ULONG,
            }
        }));
        Self {
            attributes,
            _values: values,
        }
    }

    pub(crate) fn drop_all(&mut self, kind: c::CK_ATTRIBUTE_TYPE) {
        self.attributes.retain(|attribute| attribute.type_ != kind);
    }

    /// First attribute and count, as a function takes them.
    pub(crate) fn parts(&mut self) -> (*mut c::CK_ATTRIBUTE, c::CK_ULONG) {
        let count = self.attributes.len() as c::CK_ULONG;
        (self.attributes.as_mut_ptr(), count)
    }
}
