//! The native half of the Python package `agentadmit`: the Rust SDK's client, its retry rules and
//! its reading of answers, for Python.
//!
//! | module | what it is for |
//! | --- | --- |
//! | `settings` | `agentadmit.yaml`, variables and arguments |
//! | `request`, `answer` | a call and its answer, for both clients |
//! | `blocking` | calls on the thread that makes them, without the GIL |
//! | `background`, `event_loop`, `bell` | calls of event loops, on one thread of our own |
//! | `command` | the command `agentadmit`, and the service for tests (feature `service`) |
//! | `process` | what a forked child must not take over |
//! | `guard`, `parts`, `gate` | guards and mounted routes, for any web framework |
//! | `frame`, `carried` | how their questions reach Python, and the answers come back |
//! | `errors` | the exceptions of `agentadmit.exceptions` |
//!
//! No thread of ours ever takes the GIL where an event loop can watch a descriptor: an interpreter
//! can end, or fork, at any moment.

mod answer;
mod background;
mod bell;
mod blocking;
mod carried;
#[cfg(feature = "service")]
mod command;
mod errors;
mod event_loop;
mod frame;
mod gate;
mod guard;
mod parts;
mod process;
mod request;
mod settings;

use pyo3::prelude::*;

/// The native half of `agentadmit`. Use the classes of the package.
#[pymodule(gil_used = true)]
mod _core {
    use pyo3::prelude::*;
    use pyo3::types::PyMapping;

    #[pymodule_export]
    use super::answer::Agent;
    #[pymodule_export]
    use super::blocking::BlockingClient;
    #[pymodule_export]
    use super::carried::Carriage;
    #[cfg(feature = "service")]
    #[pymodule_export]
    use super::command::{TestService, main};
    #[pymodule_export]
    use super::errors::refuse;
    #[pymodule_export]
    use super::event_loop::{AsyncClient, EventLoop};
    #[pymodule_export]
    use super::gate::{Flow, Gate};
    #[pymodule_export]
    use super::guard::{Admitted, Guard};
    #[pymodule_export]
    use super::parts::Head;
    #[pymodule_export]
    use super::request::Request;
    #[pymodule_export]
    use super::settings::Settings;

    /// `isinstance(agent, Mapping)` holds.
    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        PyMapping::register::<Agent>(module.py())
    }
}
