use std::error::Error as _;

use selfup_tests::{PATIENCE, eventually};
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status, Streaming};

use self::echo::Text;
use self::echo::echo_client::EchoClient;
use crate::example::Example;

#[allow(missing_docs, unreachable_pub, unused_qualifications, dead_code, reason = "generated")]
#[allow(clippy::pedantic, clippy::exhaustive_structs, reason = "generated")]
#[allow(clippy::allow_attributes_without_reason, reason = "generated")]
#[path = "../../src/bin/grpc/echo.rs"]
mod echo;

fn start(probation: &str) -> Example {
    Example::start(env!("CARGO_BIN_EXE_grpc"), probation)
}

/// A client for a test that is not async itself.
struct Client {
    client: EchoClient<Channel>,
    runtime: Runtime,
}

impl Client {
    fn connect(example: &Example) -> Self {
        let runtime = Runtime::new().unwrap();
        let endpoint = Endpoint::try_from(format!("http://{}", example.address())).unwrap();
        let channel = runtime.block_on(endpoint.timeout(PATIENCE).connect()).unwrap();
        Self { client: EchoClient::new(channel), runtime }
    }

    fn repeat(&mut self, text: &str, times: u32) -> Result<Streaming<Text>, Status> {
        let said = Text { text: text.to_owned(), times };
        let answers = self.runtime.block_on(self.client.repeat(said))?;
        Ok(answers.into_inner())
    }

    fn next(&self, answers: &mut Streaming<Text>) -> Result<Option<String>, Status> {
        let next = async { timeout(PATIENCE, answers.message()).await.unwrap() };
        let answer = self.runtime.block_on(next)?;
        Ok(answer.map(|answer| answer.text))
    }

    /// The answer to a call that is answered once.
    fn once(&mut self, text: &str) -> Result<String, Status> {
        let mut answers = self.repeat(text, 1)?;
        let answer = self.next(&mut answers)?.unwrap();
        assert_eq!(self.next(&mut answers)?, None);
        Ok(answer)
    }

    /// Calls until the calls have moved to a generation. Each is answered, by that or another.
    fn move_to(&mut self, generation: u64) {
        let expected = format!("{generation}: ping");
        eventually("calls have moved", || match self.once("ping") {
            Ok(answer) => (answer == expected).then_some(()),
            Err(error) if was_not_begun(&error) => None,
            Err(error) => panic!("{error:?}"),
        });
    }
}

/// Whether the call was never processed, so that its client may begin it again: it was not sent any
/// more, or the server had said GOAWAY (RFC 9113, 6.8). tonic's client leaves that to its caller.
fn was_not_begun(error: &Status) -> bool {
    let mut causes = std::iter::successors(error.source(), |&error| error.source());
    causes.any(|cause| {
        let unsent = cause.downcast_ref().is_some_and(hyper::Error::is_canceled);
        let goaway = cause.downcast_ref::<h2::Error>().filter(|error| error.is_go_away());
        unsent || goaway.and_then(h2::Error::reason) == Some(h2::Reason::NO_ERROR)
    })
}

#[test]
fn a_stream_is_brought_to_its_end_by_the_generation_that_began_it() {
    // More than any buffer on the way holds, so that the rest is said after the restart.
    let (long, times) = ("x".repeat(10_000), 5_000);
    let example = start("0s");
    let mut client = Client::connect(&example);
    let mut answers = client.repeat(&long, times).unwrap();
    let expected = format!("1: {long}");
    assert_eq!(client.next(&mut answers).unwrap().as_ref(), Some(&expected));
    example.restart(2);
    client.move_to(2);
    for _ in 1..times {
        assert_eq!(client.next(&mut answers).unwrap().as_ref(), Some(&expected));
    }
    assert_eq!(client.next(&mut answers).unwrap(), None);
    example.wait_for_the_end_of(1);
    example.stop();
}

#[test]
fn a_stream_without_an_end_is_told_to_call_again() {
    let example = start("0s");
    let mut client = Client::connect(&example);
    let mut answers = client.repeat("ping", 0).unwrap();
    assert_eq!(client.next(&mut answers).unwrap().unwrap(), "1: ping");
    example.restart(2);
    let end = loop {
        match client.next(&mut answers) {
            Ok(answer) => assert_eq!(answer.unwrap(), "1: ping"),
            Err(end) => break end,
        }
    };
    assert_eq!(end.code(), Code::Unavailable, "{end}");
    assert!(end.message().contains("call again"), "{end}");
    client.move_to(2);
    example.wait_for_the_end_of(1);
    example.stop();
}

#[test]
fn calls_move_to_the_next_generation_and_none_is_lost() {
    let example = start("0s");
    let mut client = Client::connect(&example);
    for generation in 1..=10 {
        client.move_to(generation);
        example.restart(generation + 1);
    }
    client.move_to(11);
    example.stop();
}

#[test]
fn a_paused_generation_accepts_nothing_and_can_be_resumed() {
    let example = start("1h");
    let mut kept = Client::connect(&example);
    example.begin_restart(2);
    assert_eq!(Client::connect(&example).once("new").unwrap(), "2: new");
    assert_eq!(kept.once("kept").unwrap(), "1: kept");
    example.fail(2);
    assert_eq!(Client::connect(&example).once("new").unwrap(), "1: new");
    example.stop();
}
