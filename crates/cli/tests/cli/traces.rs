//! Traces over OTLP, to a small receiver on a real socket that reads the protobuf itself.
#![cfg(feature = "otel")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::{Value, json};

use crate::support::{Connected, Service, Store};

/// `traceparent` of a caller: its trace, its span, and that it is sampled.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// Receives spans until the service ends.
fn receiver() -> (String, Receiver<ExportTraceServiceRequest>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (received, spans) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let received = received.clone();
            thread::spawn(move || receive(stream, &received));
        }
    });
    (address, spans)
}

fn receive(mut stream: TcpStream, received: &Sender<ExportTraceServiceRequest>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0, "a request that ends early: {head}");
    }
    assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
    let head = head.to_ascii_lowercase();
    assert!(head.contains("content-type: application/x-protobuf"), "{head}");
    assert!(head.contains("x-who: us"), "the header of the environment is missing: {head}");
    let length = head.split("content-length: ").nth(1).unwrap();
    let length = length.lines().next().unwrap().trim().parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    // the test may be over already
    let _over = received.send(ExportTraceServiceRequest::decode(body.as_slice()).unwrap());
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
}

fn serve(store: &Store, variables: &[(&str, &str)]) -> Service {
    let mut command = store.serve_command();
    command.envs(variables.iter().copied());
    Service::start(command)
}

fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn traced(service: &Service, connected: &Connected, flags: &str) -> u16 {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
    let call = json!({"token": connected.access_token, "scope_used": "orders:read"});
    let answer = agent
        .post(format!("{}/v1/verify", service.url))
        .header("authorization", format!("Bearer {}", connected.api_key))
        .header("traceparent", format!("00-{TRACE}-{PARENT}-{flags}"))
        .send_json(call)
        .unwrap();
    answer.status().as_u16()
}

#[test]
fn a_request_is_a_span_of_its_callers_trace_with_its_parts_below_it() {
    let (endpoint, received) = receiver();
    let store = Store::new();
    let mut service = serve(
        &store,
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint), ("OTEL_EXPORTER_OTLP_HEADERS", "x-who=us")],
    );
    let connected = Connected::on(&store, &service);
    assert_eq!(traced(&service, &connected, "01"), 200);
    // its caller does not want this one
    assert_eq!(traced(&service, &connected, "00"), 200);
    assert_eq!(service.terminate().code(), Some(0));

    let requests: Vec<_> = received.try_iter().collect();
    let resources = requests.iter().flat_map(|request| &request.resource_spans);
    let of: BTreeMap<_, _> = resources
        .clone()
        .flat_map(|it| &it.resource.as_ref().unwrap().attributes)
        .map(|it| (it.key.clone(), format!("{:?}", it.value)))
        .collect();
    assert!(of["service.name"].contains("\"agentadmit\""), "{of:?}");
    let spans: Vec<&Span> =
        resources.flat_map(|it| &it.scope_spans).flat_map(|it| &it.spans).collect();
    let named = |name: &str, trace: bool| -> Vec<&&Span> {
        let is_it = move |it: &&&Span| it.name == name && (hex(&it.trace_id) == TRACE) == trace;
        spans.iter().filter(is_it).collect()
    };
    let verify = named("POST /v1/verify", true);
    assert_eq!(verify.len(), 1, "the sampled one alone");
    let verify = verify[0];
    assert_eq!(hex(&verify.parent_span_id), PARENT);
    let attribute = |key: &str| {
        let found = verify.attributes.iter().find(|it| it.key == key);
        format!("{:?}", found.unwrap_or_else(|| panic!("no {key}")).value)
    };
    assert!(attribute("http.response.status_code").contains("200"));
    assert!(attribute("agentadmit.app_id").contains(&connected.app_id));
    for part in ["admission.wait", "store.transaction"] {
        let part = named(part, true);
        assert_eq!(part.len(), 1);
        assert_eq!(part[0].parent_span_id, verify.span_id);
        assert!(part[0].start_time_unix_nano >= verify.start_time_unix_nano);
        assert!(part[0].end_time_unix_nano <= verify.end_time_unix_nano);
    }
    assert_eq!(named("POST /v1/token/exchange", false).len(), 1, "a trace of its own");
    let all = format!("{requests:?}");
    for secret in [&connected.api_key, &connected.access_token] {
        assert!(!all.contains(secret.as_str()), "a secret is in the traces");
    }
}

#[test]
fn a_receiver_that_is_gone_costs_no_answer() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let store = Store::new();
    let mut service = serve(&store, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]);
    let (status, _) = service.request("GET", "/healthz", "", &Value::Null);
    assert_eq!(status, 200);
    assert_eq!(service.terminate().code(), Some(0));
}
