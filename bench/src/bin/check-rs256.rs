//! What one RS256 check costs: the work of an app that checks a JWT itself instead of asking.
//!
//! Prints the median processor time of one check in microseconds.

#![expect(clippy::print_stdout, reason = "a program talks to its caller")]

use std::time::Instant;

use anyhow::{Result, anyhow};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey,
};

/// As long as the header and claims of a short access token.
const SIGNED_BYTES: usize = 300;
const CHECKS_PER_SAMPLE: u32 = 200;
const SAMPLES: usize = 51;

fn main() -> Result<()> {
    let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| anyhow!("no key was made"))?;
    let message = [b'a'; SIGNED_BYTES];
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &message, &mut signature)
        .map_err(|_| anyhow!("nothing was signed"))?;
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
    let mut samples = Vec::new();
    for _ in 0..SAMPLES {
        let began = now();
        for _ in 0..CHECKS_PER_SAMPLE {
            key.verify(&message, &signature).map_err(|_| anyhow!("a good signature is good"))?;
        }
        samples.push(began.elapsed().as_secs_f64() * 1e6 / f64::from(CHECKS_PER_SAMPLE));
    }
    samples.sort_by(f64::total_cmp);
    println!("{:.1}", samples.get(SAMPLES / 2).copied().unwrap_or(f64::NAN));
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
fn now() -> Instant {
    Instant::now()
}
