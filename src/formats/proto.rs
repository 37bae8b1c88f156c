//! Just enough of protobuf's wire format to write ONNX and TensorBoard's events: fields in order, each a tag and a varint, four or
//! eight bytes, or a length and bytes. Numbers of fields are those of `onnx.proto`, `event.proto` and `summary.proto`.

/// A message under construction.
#[derive(Clone, Debug, Default)]
pub(super) struct Message(Vec<u8>);

/// How a field's value is laid out.
#[derive(Clone, Copy)]
enum Wire {
    Varint = 0,
    Eight = 1,
    Bytes = 2,
    Four = 5,
}

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn tag(&mut self, field: u32, wire: Wire) {
        self.varint(u64::from(field) << 3 | wire as u64);
    }

    /// A whole number.
    #[must_use]
    pub(super) fn int(mut self, field: u32, value: i64) -> Self {
        self.tag(field, Wire::Varint);
        self.varint(value.cast_unsigned());
        self
    }

    /// An f32.
    #[must_use]
    pub(super) fn float(mut self, field: u32, value: f32) -> Self {
        self.tag(field, Wire::Four);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// An f64.
    #[must_use]
    pub(super) fn double(mut self, field: u32, value: f64) -> Self {
        self.tag(field, Wire::Eight);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Bytes or a text.
    #[must_use]
    pub(super) fn bytes(mut self, field: u32, value: &[u8]) -> Self {
        self.push_bytes(field, value);
        self
    }

    fn push_bytes(&mut self, field: u32, value: &[u8]) {
        self.tag(field, Wire::Bytes);
        self.varint(value.len() as u64);
        self.0.extend(value);
    }

    /// A message inside, in place.
    pub(super) fn push_message(&mut self, field: u32, value: &Self) {
        self.push_bytes(field, &value.0);
    }

    /// A text.
    #[must_use]
    pub(super) fn text(self, field: u32, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    /// A message inside.
    #[must_use]
    pub(super) fn message(self, field: u32, value: &Self) -> Self {
        self.bytes(field, &value.0)
    }

    /// The finished bytes.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of protobuf's own page on its encoding.
    #[test]
    fn bytes_are_protobuf() {
        assert_eq!(Message::default().int(1, 150).into_bytes(), [0x08, 0x96, 0x01]);
        assert_eq!(Message::default().text(2, "testing").into_bytes(), b"\x12\x07testing");
        let inner = Message::default().int(1, 150);
        assert_eq!(Message::default().message(3, &inner).into_bytes(), [0x1a, 0x03, 0x08, 0x96, 0x01]);
        assert_eq!(Message::default().int(1, -2).into_bytes()[1..], [0xfe, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
    }
}
