//! Pictures of every page for the docs, light and dark. No check compares them: fonts differ from
//! machine to machine.

use anyhow::{Result, bail};
use clap::Args;

use crate::{
    Chore, Verdict, process,
    web::{self, Web},
    workspace::Workspace,
};

/// Take the pictures of the docs anew, in Debian's Chromium.
#[derive(Args)]
pub(crate) struct Screenshots {}

impl Chore for Screenshots {
    fn run(self, workspace: &Workspace) -> Result<Verdict> {
        let Some(web) = Web::install(workspace)? else {
            bail!("this needs npm (Debian: `apt-get install npm`)");
        };
        let mut take = web.script("screenshots", &[]);
        web::with_binaries(workspace, &mut take)?;
        take.env("CHROMIUM", web::browser()?);
        take.env("SCREENSHOTS", workspace.root.join("docs/images"));
        Ok(if process::run(&mut take)? { Verdict::Clean } else { Verdict::Findings })
    }
}
