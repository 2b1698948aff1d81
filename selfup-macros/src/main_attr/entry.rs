//! A use of the attribute without mistakes: what the two halves say, checked for what does not go
//! together.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::Ident;

use super::args::{Args, Keys, Places};
use super::item::{Item, Program};
use super::value::{CratePath, Flavor, Keyed};
use crate::errors::{Errors, Place};

/// What is to be expanded.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) krate: CratePath,
    pub(crate) program: &'a Program,
    /// The calls on `Config::builder()`, in the order of the arguments.
    pub(crate) settings: Vec<Setting>,
    /// The setter that comes last.
    pub(crate) configure: Option<Setting>,
    pub(crate) runtime: Runtime,
    /// The calls on the program.
    pub(crate) hooks: Vec<Setting>,
    /// What the note says in place of what Cargo knows.
    pub(crate) note: Vec<Setting>,
}

/// A call of the setter that has the name of the key.
#[derive(Debug)]
pub(crate) struct Setting {
    place: Place,
    pub(crate) key: Ident,
    pub(crate) value: TokenStream,
}

/// What runs the program in the child.
#[derive(Debug)]
pub(crate) enum Runtime {
    Blocking,
    Async { flavor: Flavor, worker_threads: Option<Setting> },
}

impl<'a> Entry<'a> {
    /// The entry, if the item is a function. It is what the user meant only if there are no errors.
    pub(crate) fn check(args: Args, item: &'a Item, errors: &mut Errors) -> Option<Self> {
        check_combinations(&args, errors);
        if let Item::Program(program) = item {
            check_runtime(&args, program, errors);
        }
        let Args { keys, places, .. } = args;
        let mut accept = Accept { places: &places, errors };
        let krate = accept.value(keys.krate).unwrap_or_else(CratePath::published);
        let fetcher = keys.fetcher.map(|fetcher| fetcher.map(|fetcher| fetcher.tokens(&krate)));
        let configure = accept.setting(keys.configure);
        let hooks = [accept.setting(keys.init), accept.setting(keys.health)];
        let hooks = hooks.into_iter().flatten().collect();
        let note = [accept.setting(keys.name), accept.setting(keys.version)];
        let note = note.into_iter().flatten().collect();
        let flavor = accept.value(keys.flavor).unwrap_or(Flavor::MultiThread);
        let worker_threads = accept.setting(keys.worker_threads);
        let settings = [
            accept.setting(keys.address),
            accept.setting(keys.addresses),
            accept.setting(fetcher),
            accept.setting(keys.min_fetch_interval),
            accept.setting(keys.verify),
            accept.setting(keys.pre_upgrade),
            accept.setting(keys.allow_downgrade),
            accept.setting(keys.allow_unmarked),
            accept.setting(keys.bin),
            accept.setting(keys.max_size),
            accept.setting(keys.state_dir),
            accept.setting(keys.no_restart),
            accept.setting(keys.no_restart_after_fetch),
            accept.setting(keys.required),
            accept.setting(keys.debug),
            accept.setting(keys.no_warn),
            accept.setting(keys.restart_signal),
            accept.setting(keys.terminate_timeout),
            accept.setting(keys.ready_timeout),
            accept.setting(keys.probation),
            accept.setting(keys.ready),
            accept.setting(keys.max_draining),
            accept.setting(keys.overlap),
            accept.setting(keys.upgrade_master),
            accept.setting(keys.control),
            accept.setting(keys.backlog),
            accept.setting(keys.on_event),
        ];
        let mut settings: Vec<Setting> = settings.into_iter().flatten().collect();
        settings.sort_by_key(|setting| setting.place);
        let Item::Program(program) = item else { return None };
        let runtime = if program.is_async() {
            Runtime::Async { flavor, worker_threads }
        } else {
            Runtime::Blocking
        };
        Some(Self { krate, program, settings, configure, runtime, hooks, note })
    }
}

/// Takes the values out of their keys, and their mistakes to the others.
struct Accept<'a> {
    places: &'a Places,
    errors: &'a mut Errors,
}

impl Accept<'_> {
    fn value<T>(&mut self, argument: Option<Keyed<T>>) -> Option<T> {
        let Keyed { key, value } = argument?;
        self.errors.take(self.places.of(&key), value)
    }

    fn setting<T: ToTokens>(&mut self, argument: Option<Keyed<T>>) -> Option<Setting> {
        let Keyed { key, value } = argument?;
        let place = self.places.of(&key);
        let value = self.errors.take(place, value)?.into_token_stream();
        Some(Setting { place, key, value })
    }
}

fn check_combinations(args: &Args, errors: &mut Errors) {
    let Args { keys, places, complete } = args;
    let mut refuse = |key: &Ident, message: String| {
        errors.push(places.of(key), syn::Error::new_spanned(key, message));
    };
    if let (Some(address), Some(addresses)) = (&keys.address, &keys.addresses) {
        let second = places.of(&address.key).max(places.of(&addresses.key));
        let key = if second == places.of(&address.key) { &address.key } else { &addresses.key };
        refuse(key, "`address` and `addresses` are one setting; keep one of them".to_owned());
    }
    // An argument that could not be read may have been the fetcher.
    if keys.fetcher.is_none() && *complete {
        for (key, problem) in without_fetcher(keys) {
            refuse(key, format!("`{key}` {problem} without a `fetcher`"));
        }
    }
}

fn without_fetcher(keys: &Keys) -> impl Iterator<Item = (&Ident, &'static str)> {
    let interval =
        keys.min_fetch_interval.as_ref().map(|interval| (&interval.key, "has no effect"));
    let no_restart = keys.no_restart_after_fetch.as_ref().map(|flag| (&flag.key, "has no effect"));
    let hook = keys.pre_upgrade.as_ref().map(|hook| (&hook.key, "never runs"));
    let verify = keys.verify.as_ref().map(|verify| (&verify.key, "has nothing to verify"));
    let bin = keys.bin.as_ref().map(|bin| (&bin.key, "has no effect"));
    let max_size = keys.max_size.as_ref().map(|size| (&size.key, "has no effect"));
    [interval, no_restart, hook, verify, bin, max_size].into_iter().flatten()
}

fn check_runtime(args: &Args, program: &Program, errors: &mut Errors) {
    let Args { keys, places, .. } = args;
    let mut refuse = |key: &Ident, message: String| {
        errors.push(places.of(key), syn::Error::new_spanned(key, message));
    };
    let flavor = keys.flavor.as_ref().map(|flavor| &flavor.key);
    let worker_threads = keys.worker_threads.as_ref().map(|worker_threads| &worker_threads.key);
    if !program.is_async() {
        // One mistake, however many keys show it.
        if let Some(key) = flavor.or(worker_threads) {
            refuse(
                key,
                format!("`{key}` needs an async program; write `async fn {}`", program.name()),
            );
        }
    } else if let (Some(Keyed { value: Ok(Flavor::CurrentThread), .. }), Some(key)) =
        (&keys.flavor, worker_threads)
    {
        refuse(key, "`worker_threads` needs `flavor = \"multi_thread\"`".to_owned());
    }
}
