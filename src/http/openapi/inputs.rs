//! What may be sent: parameters and bodies that are optional are left out, never null.

use utoipa::openapi::{
    RefOr, Schema,
    path::Operation,
    schema::{SchemaType, Type},
};

/// Takes null out of what is optional.
pub(super) fn describe(operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter {
            without_null(&mut parameter.schema);
        }
    }
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        for content in body.content.values_mut() {
            if let RefOr::T(content) = content {
                without_null(&mut content.schema);
            }
        }
    }
}

fn without_null(schema: &mut Option<RefOr<Schema>>) {
    match schema {
        Some(RefOr::T(Schema::Object(object))) => {
            if let SchemaType::Array(types) = &mut object.schema_type {
                types.retain(|each| *each != Type::Null);
                if let [only] = types.as_slice() {
                    object.schema_type = SchemaType::Type(only.clone());
                }
            }
        }
        Some(RefOr::T(Schema::OneOf(either))) => {
            either.items.retain(|item| !is_null(item));
            if let [only] = either.items.as_slice() {
                let only = only.clone();
                *schema = Some(only);
            }
        }
        _ => {}
    }
}

fn is_null(schema: &RefOr<Schema>) -> bool {
    let RefOr::T(Schema::Object(object)) = schema else {
        return false;
    };
    object.schema_type == SchemaType::Type(Type::Null)
}
