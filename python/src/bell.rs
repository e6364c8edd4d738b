//! How an event loop is told that answers are there.

#[cfg(unix)]
use std::io;
#[cfg(unix)]
use std::os::unix::net::UnixStream;

use pyo3::prelude::*;

/// The side of the thread that has the answers.
pub(crate) enum Bell {
    /// A byte for a descriptor that the loop watches: whoever rings needs no GIL.
    #[cfg(unix)]
    Byte(UnixStream),
    /// A function, for a loop that watches no descriptors, as the usual one of Windows.
    Call(Py<PyAny>),
}

/// The side of the loop.
pub(crate) struct Ear {
    #[cfg(unix)]
    watched: Option<UnixStream>,
}

impl Bell {
    /// A bell for a loop that watches descriptors.
    #[cfg(unix)]
    pub(crate) fn watched() -> PyResult<(Self, Ear)> {
        let pair = || {
            let (heard, rung) = UnixStream::pair()?;
            heard.set_nonblocking(true)?;
            rung.set_nonblocking(true)?;
            Ok((heard, rung))
        };
        let (heard, rung) = pair().map_err(|error: io::Error| {
            pyo3::exceptions::PyOSError::new_err(format!(
                "no pair of sockets for an event loop: {error}"
            ))
        })?;
        Ok((Self::Byte(rung), Ear { watched: Some(heard) }))
    }

    /// There is none here.
    #[cfg(not(unix))]
    pub(crate) fn watched() -> PyResult<(Self, Ear)> {
        Err(pyo3::exceptions::PyNotImplementedError::new_err("no pair of sockets here"))
    }

    /// Says that answers are there.
    pub(crate) fn ring(&self) {
        match self {
            #[cfg(unix)]
            Self::Byte(rung) => {
                // one that is full is heard as well; one that is closed belongs to a loop that is
                // gone
                let _full_or_closed = io::Write::write(&mut &*rung, &[1]);
            }
            // an interpreter that ends waits for no answer, and a function that raises says it
            Self::Call(ring) => {
                Python::try_attach(|py| {
                    if let Err(error) = ring.call0(py) {
                        error.write_unraisable(py, None);
                    }
                });
            }
        }
    }
}

impl Ear {
    /// For a loop that is called.
    pub(crate) const fn none() -> Self {
        Self {
            #[cfg(unix)]
            watched: None,
        }
    }

    /// What the loop watches.
    #[cfg(unix)]
    pub(crate) fn fileno(&self) -> Option<i32> {
        use std::os::fd::AsRawFd;
        self.watched.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Nothing is watched here.
    #[cfg(not(unix))]
    pub(crate) const fn fileno(&self) -> Option<i32> {
        None
    }

    /// Takes the bytes away.
    pub(crate) fn has_heard(&self) {
        #[cfg(unix)]
        if let Some(heard) = &self.watched {
            let _nothing_there = io::Read::read(&mut &*heard, &mut [0; 64]);
        }
    }
}
