use super::Address;
use crate::error::Result;

/// Where the control socket is, as the setting `control` takes it: a string. It takes the feature
/// `control`; without that nothing is one.
#[cfg_attr(
    feature = "control",
    diagnostic::on_unimplemented(
        message = "`{Self}` cannot be used as the path of the control socket",
        label = "expected a path",
        note = "write a string such as \"/run/app/selfup.sock\" or \
                \"/run/app/selfup.sock?mode=0660&group=ops\""
    )
)]
#[cfg_attr(
    not(feature = "control"),
    diagnostic::on_unimplemented(
        message = "the control socket needs the feature `control` of selfup",
        label = "this needs the feature `control`",
        note = "run `cargo add selfup --features control`"
    )
)]
pub trait IntoControl {
    /// Its address, or why the text is none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), with what was found, what was expected and the fix.
    fn into_control(self) -> Result<Address>;
}

#[cfg(feature = "control")]
impl IntoControl for &str {
    fn into_control(self) -> Result<Address> {
        Address::of_control(self)
    }
}

#[cfg(feature = "control")]
impl IntoControl for String {
    fn into_control(self) -> Result<Address> {
        self.as_str().into_control()
    }
}

#[cfg(feature = "control")]
impl IntoControl for &String {
    fn into_control(self) -> Result<Address> {
        self.as_str().into_control()
    }
}
