//! The `custodyd` program. It hands over to `cli` after giving the PKCS#11 module the environment it reads.

mod cli;

use std::{os::unix::process::CommandExt as _, process::ExitCode};

use clap::Parser as _;

/// A request is some hundred small allocations, made on one thread and given back on another; with this one
/// it costs a fifth less than with libc's.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    if let Some(worker) = arguments.hsm_worker() {
        // Before any thread, runtime or configuration: a vendor's library finds the process as it began.
        return match worker.run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => fail(&e),
        };
    }
    let config = match arguments.hsm_config().transpose() {
        Ok(config) => config,
        Err(e) => return fail(&e),
    };
    let missing = match &config {
        Some(config) => config.hsm.missing_environment(),
        None => Ok(arguments.profile_environment()),
    };
    match missing {
        Ok(missing) if missing.is_empty() => {}
        Ok(missing) => return fail(&enter_environment(missing)),
        Err(e) => return fail(&e),
    }
    // No secret of this process may end in a core file (prctl(2), PR_SET_DUMPABLE).
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        return fail(&"another TLS provider was installed before ours");
    }
    #[cfg(feature = "failpoints")]
    let _scenario = fail::FailScenario::setup();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(e) => return fail(&e),
    };
    match runtime.block_on(arguments.run(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => fail(&e),
    }
}

/// A module reads its environment when it is loaded, and changing a running process's environment is unsound once there
/// are threads. So the program starts itself again, once, with what the HSM's profile asks for. Comes back only with why not.
fn enter_environment(missing: Vec<(String, String)>) -> std::io::Error {
    match std::env::current_exe() {
        Ok(program) => std::process::Command::new(program)
            .args(std::env::args_os().skip(1))
            .envs(missing)
            .exec(),
        Err(e) => e,
    }
}

fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("custodyd: {error}");
    ExitCode::FAILURE
}
