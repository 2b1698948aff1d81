use crate::error::{Error, ErrorKind, Result};

/// A number of bytes, as settings take it: an integer, or a string such as "1GiB", "64MB" or
/// "512 KiB".
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be used as a size",
    label = "expected a size",
    note = "write a string with a unit, such as \"1GiB\" or \"64MB\", or a number of bytes"
)]
pub trait IntoSize {
    /// The size in bytes, or why the text is none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`], with the text and what was expected.
    fn into_size(self) -> Result<u64>;
}

impl IntoSize for u64 {
    fn into_size(self) -> Result<u64> {
        Ok(self)
    }
}

impl IntoSize for &str {
    fn into_size(self) -> Result<u64> {
        parse(self.trim()).ok_or_else(|| {
            let words = format!(
                "{self:?} is not a size; expected a whole number and a unit (`B`, `kB`, `KiB`, \
                 `MB`, `MiB`, `GB` or `GiB`), such as \"1GiB\""
            );
            Error::new(ErrorKind::Config, words)
        })
    }
}

impl IntoSize for String {
    fn into_size(self) -> Result<u64> {
        self.as_str().into_size()
    }
}

impl IntoSize for &String {
    fn into_size(self) -> Result<u64> {
        self.as_str().into_size()
    }
}

fn parse(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

const UNITS: [(&str, u64); 7] = [
    ("B", 1),
    ("kB", 1000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_units() {
        for (text, bytes) in
            [("1GiB", 1 << 30), ("64MB", 64_000_000), (" 512 KiB ", 512 << 10), ("7B", 7)]
        {
            assert_eq!(text.into_size().unwrap(), bytes, "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_told_what_is_one() {
        for text in ["1", "GiB", "1.5GiB", "1 parsec", "", "-1B", "99999999999999GiB"] {
            let words = text.into_size().unwrap_err().to_string();
            assert!(words.contains("is not a size; expected a whole number and a unit"), "{words}");
        }
    }
}
