//! The process as the kernel sees it (proc_pid_status(5), proc_pid_fd(5)). What can't be read is left out.

use std::fs;

use rustix::process::{Resource, getrlimit};

use super::page::Page;

/// Bytes that the kernel counts by in `VmRSS`.
const KIB: u64 = 1_024;

/// Writes what there is to know.
pub fn write(page: &mut Page) {
    page.gauge(
        "custodyd_build_info",
        &[("version", env!("CARGO_PKG_VERSION"))],
        1,
    );
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(bytes) = resident_bytes(&status) {
        page.gauge("custodyd_process_resident_bytes", &[], bytes);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // Less the one that this reading takes.
        let open = open.count().saturating_sub(1);
        page.gauge("custodyd_process_open_fds", &[], open);
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        page.gauge("custodyd_process_most_fds", &[], most);
    }
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kib.checked_mul(KIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_in_bytes() {
        let status = "Name:\tcustodyd\nVmRSS:\t   51240 kB\nThreads:\t3\n";
        assert_eq!(resident_bytes(status), Some(51_240 * 1_024));
        assert_eq!(resident_bytes("Name:\tcustodyd\n"), None);
    }
}
