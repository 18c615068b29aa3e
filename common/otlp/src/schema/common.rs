//! Messages that all signals share: attribute values, Scope and Resource.

use super::Kind::{Bool, Bytes, Double, Int32, Int64, String, Uint32};
use super::Label::{Oneof, Optional, Repeated, Singular};
use super::{Field, Kind, Message};

pub(super) static ANY_VALUE: Message = Message::new(
    "AnyValue",
    &[
        Field::new(1, "string_value", "stringValue", String, Oneof("value")),
        Field::new(2, "bool_value", "boolValue", Bool, Oneof("value")),
        Field::new(3, "int_value", "intValue", Int64, Oneof("value")),
        Field::new(4, "double_value", "doubleValue", Double, Oneof("value")),
        Field::new(
            5,
            "array_value",
            "arrayValue",
            Kind::Message(&ARRAY_VALUE),
            Oneof("value"),
        ),
        Field::new(
            6,
            "kvlist_value",
            "kvlistValue",
            Kind::Message(&KEY_VALUE_LIST),
            Oneof("value"),
        ),
        Field::new(7, "bytes_value", "bytesValue", Bytes, Oneof("value")),
        Field::new(
            8,
            "string_value_strindex",
            "stringValueStrindex",
            Int32,
            Oneof("value"),
        ),
    ],
);

pub(super) static ARRAY_VALUE: Message = Message::new(
    "ArrayValue",
    &[Field::new(
        1,
        "values",
        "values",
        Kind::Message(&ANY_VALUE),
        Repeated,
    )],
);

pub(super) static KEY_VALUE_LIST: Message = Message::new(
    "KeyValueList",
    &[Field::new(
        1,
        "values",
        "values",
        Kind::Message(&KEY_VALUE),
        Repeated,
    )],
);

pub(super) static KEY_VALUE: Message = Message::new(
    "KeyValue",
    &[
        Field::new(1, "key", "key", String, Singular),
        Field::new(2, "value", "value", Kind::Message(&ANY_VALUE), Optional),
        Field::new(3, "key_strindex", "keyStrindex", Int32, Singular),
    ],
)
.attribute();

pub(super) static INSTRUMENTATION_SCOPE: Message = Message::new(
    "InstrumentationScope",
    &[
        Field::new(1, "name", "name", String, Singular),
        Field::new(2, "version", "version", String, Singular),
        Field::new(
            3,
            "attributes",
            "attributes",
            Kind::Message(&KEY_VALUE),
            Repeated,
        ),
        Field::new(
            4,
            "dropped_attributes_count",
            "droppedAttributesCount",
            Uint32,
            Singular,
        ),
    ],
);

pub(super) static ENTITY_REF: Message = Message::new(
    "EntityRef",
    &[
        Field::new(1, "schema_url", "schemaUrl", String, Singular),
        Field::new(2, "type", "type", String, Singular),
        Field::new(3, "id_keys", "idKeys", String, Repeated),
        Field::new(4, "description_keys", "descriptionKeys", String, Repeated),
    ],
);

pub(super) static RESOURCE: Message = Message::new(
    "Resource",
    &[
        Field::new(
            1,
            "attributes",
            "attributes",
            Kind::Message(&KEY_VALUE),
            Repeated,
        ),
        Field::new(
            2,
            "dropped_attributes_count",
            "droppedAttributesCount",
            Uint32,
            Singular,
        ),
        Field::new(
            3,
            "entity_refs",
            "entityRefs",
            Kind::Message(&ENTITY_REF),
            Repeated,
        ),
    ],
);
