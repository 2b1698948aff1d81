//! Setters of fetchers cannot fail, so what is wrong with a setting is kept here until
//! [`Fetcher::check`](super::Fetcher::check) asks for it.

use std::time::Duration;

#[cfg(feature = "http")]
use super::LONGEST_SILENCE;
use crate::config::IntoDuration;
use crate::error::{Error, ErrorKind, Result};

/// The first mistake among the settings of a fetcher.
#[derive(Debug, Default)]
pub(super) struct Mistake(Option<String>);

impl Mistake {
    /// Keeps `message`, unless an earlier mistake is kept: it is the one to be put right first.
    pub(super) fn keep(&mut self, message: impl Into<String>) {
        self.0.get_or_insert_with(|| message.into());
    }

    /// `value` as a length of time that is not zero, or `None` and a mistake.
    pub(super) fn duration(&mut self, setting: &str, value: impl IntoDuration) -> Option<Duration> {
        match value.into_duration() {
            Ok(Duration::ZERO) => {
                self.keep(format!("`{setting}` is zero; write a positive duration such as \"1s\""));
                None
            }
            Ok(duration) => Some(duration),
            Err(error) => {
                self.keep(format!("`{setting}`: {error}"));
                None
            }
        }
    }

    /// `value` as a silence in a download that ends it, or `None` and a mistake.
    #[cfg(feature = "http")]
    pub(super) fn silence(&mut self, setting: &str, value: impl IntoDuration) -> Option<Duration> {
        let silence = self.duration(setting, value)?;
        if silence > LONGEST_SILENCE {
            self.keep(format!(
                "`{setting}` is {}, and a download that is silent for {} is ended; write that or less",
                humantime::format_duration(silence),
                humantime::format_duration(LONGEST_SILENCE)
            ));
        }
        Some(silence)
    }

    /// The mistake as an error, each time it is asked for.
    pub(super) fn check(&self) -> Result<()> {
        match &self.0 {
            Some(message) => Err(Error::new(ErrorKind::Config, message.as_str())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_mistake_is_told_with_its_setting() {
        let mut mistake = Mistake::default();
        assert_eq!(mistake.duration("interval", "2s"), Some(Duration::from_secs(2)));
        mistake.check().unwrap();
        assert_eq!(mistake.duration("timeout", "0s"), None);
        assert_eq!(mistake.duration("interval", "2"), None);
        let message = mistake.check().unwrap_err().to_string();
        assert_eq!(message, "`timeout` is zero; write a positive duration such as \"1s\"");
    }
}
