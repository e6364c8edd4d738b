#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| agentadmit_testkit::fuzz::plain_request(data));
