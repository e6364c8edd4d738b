//! The model passes its own suite.

use super::random::model;

conformance_tests!(model);
