use std::net::TcpStream;

use selfup_tests::PATIENCE;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message, WebSocket};

use crate::example::Example;

fn start(probation: &str) -> Example {
    Example::start(env!("CARGO_BIN_EXE_websocket"), probation)
}

struct Client(WebSocket<TcpStream>);

impl Client {
    fn connect(example: &Example) -> Self {
        let stream = TcpStream::connect_timeout(&example.address(), PATIENCE).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let url = format!("ws://{}/", example.address());
        Self(tungstenite::client(url, stream).unwrap().0)
    }

    /// Says a word, and gives what is answered.
    fn say(&mut self, word: &str) -> String {
        self.0.send(Message::text(word)).unwrap();
        self.0.read().unwrap().into_text().unwrap().to_string()
    }

    /// Waits until the server goes away, in order.
    fn wait_for_its_end(mut self) {
        let Message::Close(Some(close)) = self.0.read().unwrap() else { panic!("no close") };
        assert_eq!(close.code, CloseCode::Away);
        // The answer to that, and the end of the connection.
        let end = self.0.read().unwrap_err();
        assert!(matches!(end, Error::ConnectionClosed), "{end}");
    }
}

#[test]
fn every_client_is_told_that_its_generation_goes_away_and_connects_to_the_next() {
    let example = start("0s");
    for generation in 1..=5 {
        let mut clients: Vec<_> = (0..20).map(|_| Client::connect(&example)).collect();
        for client in &mut clients {
            assert_eq!(client.say("hello"), format!("{generation}: hello"));
        }
        example.restart(generation + 1);
        clients.into_iter().for_each(Client::wait_for_its_end);
        example.wait_for_the_end_of(generation);
    }
    example.stop();
}

#[test]
fn a_conversation_hears_nothing_of_a_pause() {
    let example = start("1h");
    let mut client = Client::connect(&example);
    example.begin_restart(2);
    assert_eq!(client.say("paused"), "1: paused");
    assert_eq!(Client::connect(&example).say("new"), "2: new");
    example.fail(2);
    assert_eq!(client.say("resumed"), "1: resumed");
    client.0.close(None).unwrap();
    drop(client);
    example.stop();
}
