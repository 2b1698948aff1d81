use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// A length of time, as settings take it: a [`Duration`], or a string such as "30s", "500ms",
/// "5m" or "1h 30m".
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be used as a duration",
    label = "expected a duration",
    note = "write a string with a unit, such as \"30s\" or \"500ms\", or a `std::time::Duration`"
)]
pub trait IntoDuration {
    /// The duration, or why the text is none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`], with the text and what was expected.
    fn into_duration(self) -> Result<Duration>;
}

impl IntoDuration for Duration {
    fn into_duration(self) -> Result<Duration> {
        Ok(self)
    }
}

impl IntoDuration for &str {
    fn into_duration(self) -> Result<Duration> {
        humantime::parse_duration(self.trim()).map_err(|source| {
            let message = if self.trim().bytes().all(|byte| byte.is_ascii_digit()) {
                format!("{self:?} has no unit; write \"{0}s\" or \"{0}ms\"", self.trim())
            } else {
                format!(
                    "{self:?} is not a duration; expected a number and a unit (`ms`, `s`, `m` or \
                     `h`), such as \"30s\""
                )
            };
            Error::new(ErrorKind::Config, message).caused_by(source)
        })
    }
}

impl IntoDuration for String {
    fn into_duration(self) -> Result<Duration> {
        self.as_str().into_duration()
    }
}

impl IntoDuration for &String {
    fn into_duration(self) -> Result<Duration> {
        self.as_str().into_duration()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_units() {
        for (text, millis) in [("30s", 30_000), ("500ms", 500), ("5m", 300_000), ("1h", 3_600_000)]
        {
            assert_eq!(text.into_duration().unwrap(), Duration::from_millis(millis), "{text}");
        }
    }

    #[test]
    fn what_has_no_unit_is_told_the_fix() {
        let message = "30".into_duration().unwrap_err().to_string();
        assert_eq!(message, "\"30\" has no unit; write \"30s\" or \"30ms\"");
        let message = "30 parsecs".into_duration().unwrap_err().to_string();
        assert!(message.starts_with("\"30 parsecs\" is not a duration; expected"), "{message}");
    }
}
