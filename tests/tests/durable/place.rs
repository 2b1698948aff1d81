//! The directory of a binary, and the one that may have its history.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use selfup_tests::Release;

/// Both, in a directory of their own.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    root: PathBuf,
    /// A part of the names in the `state_dir`, which is another in each place.
    digits: String,
}

impl Place {
    /// Two empty directories in `root`, which leads through no link.
    pub(crate) fn new(root: &Path) -> Self {
        let root = root.canonicalize().expect("it is there");
        let place = Self { digits: String::new(), root };
        fs::create_dir(place.directory()).expect("it can be made");
        fs::create_dir(place.state()).expect("it can be made");
        let path = place.binary().into_os_string().into_encoded_bytes();
        let digits = Release::of(path).id().to_string()[..16].to_owned();
        Self { digits, ..place }
    }

    /// Where the binary lies.
    pub(crate) fn directory(&self) -> PathBuf {
        self.root.join("place")
    }

    /// For `state_dir`.
    pub(crate) fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    /// Both.
    pub(crate) fn directories(&self) -> [PathBuf; 2] {
        [self.directory(), self.state()]
    }

    /// The binary.
    pub(crate) fn binary(&self) -> PathBuf {
        self.path_of("app")
    }

    /// What a file is called, as in any other place.
    pub(crate) fn name_of(&self, file: &Path) -> Option<String> {
        let name = |file: &Path| Some(file.to_str()?.to_owned()).filter(|name| !name.is_empty());
        if let Ok(file) = file.strip_prefix(self.directory()) {
            return name(file);
        }
        let name = name(file.strip_prefix(self.state()).ok()?)?;
        Some(format!("{STATE}{}", name.replace(&self.digits, "*")))
    }

    /// Where the file is that is called so.
    pub(crate) fn path_of(&self, name: &str) -> PathBuf {
        match name.strip_prefix(STATE) {
            Some(name) => self.state().join(name.replace('*', &self.digits)),
            None => self.directory().join(name),
        }
    }

    /// What all the files here are called.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = |directory| fs::read_dir(directory).expect("it is there").flatten();
        let all = entries(self.directory()).chain(entries(self.state()));
        let mut names: Vec<_> = all.filter_map(|entry| self.name_of(&entry.path())).collect();
        names.sort();
        names
    }

    /// Puts what lies in `template` in place of all that lies here. A large file is the same one in
    /// both: it is replaced, and never changed.
    pub(crate) fn lay_out(&self, template: &Self) {
        self.clear();
        for name in template.names() {
            let (from, to) = (template.path_of(&name), self.path_of(&name));
            fs::hard_link(from, to).expect("they are on one file system");
        }
    }

    /// A copy of all that lies here, in another place.
    pub(crate) fn copy_to(&self, copy: &Self) {
        copy.clear();
        let mut command = Command::new("cp");
        command.arg("-a").arg(self.directory().join(".")).arg(copy.directory());
        assert!(command.status().is_ok_and(|status| status.success()), "it can be copied");
        for name in self.names().iter().filter(|name| is_in_state_dir(name)) {
            fs::copy(self.path_of(name), copy.path_of(name)).expect("it can be copied");
        }
    }

    fn clear(&self) {
        for name in self.names() {
            fs::remove_file(self.path_of(&name)).expect("it is ours");
        }
    }
}

/// Whether a file that is called so is in the `state_dir`.
pub(crate) fn is_in_state_dir(name: &str) -> bool {
    name.starts_with(STATE)
}

/// What the names of files in the `state_dir` begin with.
const STATE: &str = "state/";
