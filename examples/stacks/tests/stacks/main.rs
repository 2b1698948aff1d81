//! The examples, as they are built, under restarts: what the head of each says is so.
#![allow(clippy::unwrap_used, reason = "what goes wrong fails the test at once")]

mod actix;
mod axum_serve;
mod blocking;
mod example;
mod grpc;
mod http;
mod hyper_plain;
mod lines;
mod load;
mod tcp_echo;
mod udp_echo;
mod websocket;
