//! A service that runs, and what an operator does to it.

use std::ffi::OsString;

use nix::libc;
use selfup_tests::manual::{self, Block, Seen, What};
use selfup_tests::{Release, Service, ServiceBuilder, children_of, eventually, send, status_of};

use crate::room::Room;

/// The service of one block, at `/opt/app/app`. Dropped in this order: the room ends whatever is left.
struct Operated {
    service: Service,
    room: Room,
}

impl Operated {
    fn try_new() -> Option<Self> {
        let room = Room::try_new()?;
        room.add_command(&selfup_tests::command()?);
        std::fs::create_dir_all(room.path("work/target/release")).unwrap();
        let release = Release::of_fixture("operated");
        release.again().install(&room.path("work/target/release/app"));
        release.again().install(&room.path("opt/app/app"));
        let entrance = room.entrance();
        let entrance: Vec<_> = entrance.iter().map(String::as_str).collect();
        let builder = ServiceBuilder::of(&room.path("opt/app"));
        let service = builder.through("/opt/app/app".as_ref()).under(&entrance).start();
        Some(Self { service, room })
    }

    /// The master, as it is called from within the room.
    fn master(&self) -> OsString {
        let master =
            eventually("it has begun", || children_of(self.service.pid()).first().copied());
        status_of(master, "NSpid").split_whitespace().last().unwrap().into()
    }

    fn go_through(&mut self, situation: &str) {
        let published = self.room.path("srv/releases/app");
        match situation {
            "upgraded" => {
                Release::of_fixture("operated").again().install(&published);
                self.service.wait_for("event committed: generation 2 ");
                self.service.wait_for("event master_replaced: ");
            }
            "refused" => {
                Release::of_fixture("stateless").install(&published);
                self.service.wait_for("event candidate_refused: ");
            }
            "paused" => {
                let paused = self.room.run("selfup pause --socket /run/app/selfup.sock", &[]);
                assert!(paused.status.success(), "{}", paused.output);
            }
            "stopped" => {
                let master = children_of(self.service.pid())[0];
                send(master, libc::SIGTERM);
                self.service.wait();
            }
            _ => panic!("nobody brings a service to be {situation:?}"),
        }
    }

    fn run(&mut self, block: &Block) {
        let What::Run { situations, seen, .. } = &block.what else { return };
        let is_followed = situations.iter().any(|situation| situation == "followed");
        for situation in situations.iter().filter(|situation| *situation != "followed") {
            self.go_through(situation);
        }
        let control = OsString::from("/run/app/selfup.sock");
        let mut variables = vec![("SELFUP_CONTROL", control)];
        if !situations.iter().any(|situation| situation == "stopped") {
            variables.push(("MASTER", self.master()));
        }
        if is_followed {
            self.follow(block, &variables);
        } else {
            self.room.run(&block.text, &variables).assert(block);
        }
        for seen in seen {
            match seen {
                Seen::Logs(text) => drop(self.service.wait_for(text)),
                Seen::Answers => self.room.wait_for_answer(),
                _ => {}
            }
        }
    }

    /// For commands without an end: they show what happens meanwhile.
    fn follow(&self, block: &Block, variables: &[(&str, OsString)]) {
        let What::Run { seen, .. } = &block.what else { return };
        let running = self.room.start(&block.text, variables);
        let is_shown = |text: &str| running.output().contains(text);
        let master = children_of(self.service.pid())[0];
        eventually(&format!("{} shows {seen:?}", block.place), || {
            // It may not listen yet when the first one comes.
            send(master, libc::SIGUSR2);
            let mut texts = seen.iter().filter_map(|seen| match seen {
                Seen::Shows(text) => Some(text),
                _ => None,
            });
            texts.all(|text| is_shown(text)).then_some(())
        });
    }
}

#[test]
fn what_an_operator_is_told_to_do_does_what_is_said() {
    let mut failed = Vec::new();
    for block in manual::of_room("service") {
        let run = || Operated::try_new().map(|mut operated| operated.run(&block));
        match std::panic::catch_unwind(run) {
            Ok(Some(())) => {}
            Ok(None) => return,
            Err(_) => failed.push(block.place),
        }
    }
    assert_eq!(failed, [""; 0], "what was wrong is told above");
}
