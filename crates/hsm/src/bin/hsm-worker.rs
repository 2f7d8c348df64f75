//! The worker process by itself, for this crate's tests and measurements: custodyd brings its own.

fn main() -> Result<(), custodyd_hsm::WorkerError> {
    custodyd_hsm::serve_worker()
}
