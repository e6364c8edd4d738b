//! The agent's side of the command line: `connect`, which keeps what a human handed over, and
//! `mcp-bridge`, which lets MCP clients use it.

mod bridge;
mod connect;
mod person;
mod token;

pub(super) use bridge::mcp_bridge;
pub(super) use connect::connect;

use std::path::Path;

use agentadmit_agent::Surroundings;
use agentadmit_agent::connect::NotConnected;
use agentadmit_agent::credentials::{BadFile, CredentialFile};
use agentadmit_agent::door::NoDoor;
use agentadmit_agent::oauth::NotAuthorized;
use agentadmit_agent::offer::BadOffer;
use agentadmit_agent::origin::Origin;
use agentadmit_agent::target::NoTarget;
use agentadmit_agent::wire::{Client, NoAnswer};
use agentadmit_protocol::error::ErrorCode;
use agentadmit_store::{Clock as _, SystemClock};

use crate::args::CredentialsFile;
use crate::exit::Failure;

/// This process's clock, and the system's randomness.
const SURROUNDINGS: Surroundings = Surroundings {
    now: || SystemClock::new().read().wall,
    random: || {
        let mut random = [0; 32];
        getrandom::fill(&mut random).ok().map(|()| random)
    },
};

fn origin(url: &str) -> Result<Origin, Failure> {
    Origin::of(url).map_err(|error| Failure::usage(error.to_string()))
}

fn client(ca_file: Option<&Path>) -> Result<Client, Failure> {
    Client::new(ca_file).map_err(|error| Failure::usage(error.to_string()))
}

/// The file that was named, or the user's own.
fn file(named: &CredentialsFile) -> Result<CredentialFile, Failure> {
    let named = named.credentials.clone().map(CredentialFile::at);
    named.or_else(|| CredentialFile::of_user(|name| std::env::var_os(name))).ok_or_else(|| {
        Failure::usage("there is no home to keep credentials in: say where, --credentials FILE")
    })
}

fn of_file(error: &BadFile) -> Failure {
    match error {
        BadFile::Exposed(..) | BadFile::Form(_) => Failure::usage(error.to_string()),
        BadFile::Io(..) => Failure::could_not(error.to_string()),
    }
}

/// An app that is none, or that must not be trusted, is a no; silence says nothing.
fn of_offer(error: &BadOffer) -> Failure {
    match error {
        BadOffer::NoAnswer(NoAnswer::Certificates(_)) => Failure::usage(error.to_string()),
        BadOffer::NoAnswer(_) | BadOffer::NotThere { status: 500.., .. } => {
            Failure::could_not(error.to_string())
        }
        BadOffer::NotThere { .. } => Failure::no(ErrorCode::NotFound, error.to_string()),
        BadOffer::Endless(_) | BadOffer::Document { .. } | BadOffer::OtherOrigin { .. } => {
            Failure::no(ErrorCode::Conflict, error.to_string())
        }
    }
}

fn of_exchange(error: &NotConnected) -> Failure {
    match error {
        NotConnected::Used | NotConnected::Refused => {
            Failure::no(ErrorCode::InvalidGrant, error.to_string())
        }
        NotConnected::File(error) => of_file(error),
        NotConnected::Later(_)
        | NotConnected::Unexpected { .. }
        | NotConnected::NoAnswer(_)
        | NotConnected::System(_) => Failure::could_not(error.to_string()),
    }
}

fn of_target(error: &NoTarget) -> Failure {
    match error {
        NoTarget::Address(error) => Failure::usage(error.to_string()),
        NoTarget::Offer(error) => of_offer(error),
        NoTarget::NotAuthorized(error) => of_authorization(error),
    }
}

fn of_door(error: &NoDoor) -> Failure {
    match error {
        NoDoor::Unsaid { .. } | NoDoor::Address(_) => Failure::usage(error.to_string()),
        NoDoor::Other { .. } => Failure::no(ErrorCode::Conflict, error.to_string()),
        NoDoor::Offer(error) => of_offer(error),
        NoDoor::NotAuthorized(error) => of_authorization(error),
    }
}

fn of_authorization(error: &NotAuthorized) -> Failure {
    let code = match error {
        NotAuthorized::NoAnswer(NoAnswer::Certificates(_)) => {
            return Failure::usage(error.to_string());
        }
        NotAuthorized::File(error) => return of_file(error),
        NotAuthorized::NoAnswer(NoAnswer::Inside(_) | NoAnswer::NotAsked)
        | NotAuthorized::Document { .. }
        | NotAuthorized::Cannot { .. }
        | NotAuthorized::MixedUp(_) => ErrorCode::Conflict,
        NotAuthorized::NoAnswer(_) | NotAuthorized::System(_) => {
            return Failure::could_not(error.to_string());
        }
        NotAuthorized::NoResource(_) => ErrorCode::NotFound,
        NotAuthorized::Refused { .. } => ErrorCode::InvalidGrant,
        NotAuthorized::Denied => ErrorCode::AccessDenied,
        NotAuthorized::TooLate => ErrorCode::ExpiredToken,
        NotAuthorized::Enough(_) => ErrorCode::InvalidScope,
    };
    Failure::no(code, error.to_string())
}
