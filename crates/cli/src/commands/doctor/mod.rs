//! `agentadmit doctor`: looks at a running service and an app in front of it, and says in one line
//! each what is wrong and what to do.
//!
//! It asks what anybody with these credentials could ask, over HTTP, and changes nothing. Requests
//! to the app carry an access token that was never issued, so that whatever comes back but a
//! refusal is wrong.
//!
//! | module | what |
//! | --- | --- |
//! | `table` | every check, in order |
//! | `subject` | what is examined |
//! | `exam` | what checks share, and what must be there for each |
//! | `wire` | one request, and why there is no answer |
//! | `report` | outcomes, and how they are shown |
//! | `place` | TLS and certificates of both |
//! | `service`, `credential` | the service, and the app's key |
//! | `app`, `signed`, `routes` | the app, what it signs, its routes |
//! | `operator` | store, disk and log |

mod app;
mod credential;
mod exam;
mod operator;
mod place;
mod report;
mod routes;
mod service;
mod signed;
mod subject;
mod table;
mod wire;

use agentadmit_config::service_url;
use url::Url;

use crate::args::Doctor;
use crate::client::{Transport, operator_token};
use crate::exit::{Exit, Failure};
use crate::http_client::HttpClient;
use crate::output::Output;
use exam::Exam;
use report::Report;
use subject::Subject;
use table::CHECKS;

/// Runs every check for which there is what it needs.
pub(super) async fn run(args: Doctor, output: Output) -> Result<Exit, Failure> {
    let subject = Subject::read(&args)?;
    let mut exam = Exam::new(args, subject)?;
    exam.open_operator()?;
    let width = CHECKS.iter().map(|check| check.id.len()).max().unwrap_or_default();
    let mut report = Report::new(output, width);
    for check in CHECKS {
        let outcome = check.make(&mut exam).await;
        report.add(check.id, outcome)?;
    }
    exam.close().await?;
    report.finish()
}

impl Exam {
    /// Opens the way to what only an operator sees, if there is one.
    fn open_operator(&mut self) -> Result<(), Failure> {
        self.operator = match &self.args.store {
            Some(store) => Some(Transport::store(store)?),
            None => operator_token(self.args.operator_token_file.as_deref())?
                .map(|token| {
                    let client = HttpClient::trusting(self.wire.tls());
                    Ok::<_, Failure>(Transport::operator(client, self.operator_url()?, token))
                })
                .transpose()?,
        };
        self.note_what_is_missing();
        Ok(())
    }

    fn operator_url(&self) -> Result<Url, Failure> {
        match &self.args.operator_url {
            Some(text) => service_url(text).map_err(Failure::usage),
            None => Ok(self.subject.service().clone()),
        }
    }

    async fn close(&mut self) -> Result<(), Failure> {
        match self.operator.take() {
            Some(operator) => operator.close().await,
            None => Ok(()),
        }
    }
}
