//! The sandbox that the service shuts itself into, with what the kernel offers to any process: Landlock,
//! for the files and ports it may touch, and seccomp, for the calls it may make. Whoever takes the process
//! over finds neither other files nor other programs.
//!
//! It holds for the thread that enters and for all that it starts, and cannot be left. So it is entered
//! before any thread is started, and what is opened later is named beforehand.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, NetPort,
    PathBeneath, PathFd, PathFdError, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr,
    RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use schemars::JsonSchema;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, apply_filter,
};
use serde::{Deserialize, Serialize};

/// Whether the service shuts itself in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sandbox {
    /// With what the kernel has of Landlock and seccomp.
    #[default]
    On,
    /// Not at all.
    Off,
    /// With Landlock and seccomp: the service does not start where the kernel lacks one of them.
    Required,
}

/// What a service touches after its start.
#[derive(Debug, Default)]
pub struct Needs {
    /// Folders in which it writes, and which are there.
    pub written: Vec<PathBuf>,
    /// Files that it reads, also when others take their names: so their folders are read.
    pub read: Vec<PathBuf>,
    /// The unix socket that it makes.
    pub socket: Option<PathBuf>,
    /// Ports that it listens on; any, when one of them is 0, for it takes a free one.
    pub ports: Vec<u16>,
}

/// What is in force. The kernel may lack one and offer the other.
#[derive(Debug)]
pub struct InForce {
    files: Result<ABI, SandboxError>,
    calls: Result<(), SandboxError>,
}

/// Why a part of the sandbox is not in force.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// No Landlock.
    #[error(
        "the kernel offers no Landlock that can be used (Linux 5.19 or later, and not turned off)"
    )]
    NoLandlock,
    /// A folder to be written in cannot be opened.
    #[error("a folder cannot be opened: {0}")]
    Folder(#[from] PathFdError),
    /// The kernel refuses the rules about files.
    #[error("Landlock refuses: {0}")]
    Landlock(#[from] RulesetError),
    /// The rules about calls cannot be made for this processor.
    #[error("no rules for this processor: {0}")]
    Rules(#[from] BackendError),
    /// The kernel refuses the rules about calls.
    #[error("seccomp refuses: {0}")]
    Seccomp(#[from] seccompiler::Error),
    /// The sandbox is required, and not whole.
    #[error("sandbox = \"required\", but not all of it is in force: {0}")]
    NotWhole(String),
}

impl InForce {
    /// Whether nothing is missing.
    pub const fn is_whole(&self) -> bool {
        self.files.is_ok() && self.calls.is_ok()
    }

    /// What is in force, as far as the operator is content with it.
    pub fn enough(self, wanted: Sandbox) -> Result<Self, SandboxError> {
        match wanted {
            Sandbox::Required if !self.is_whole() => Err(SandboxError::NotWhole(self.to_string())),
            _ => Ok(self),
        }
    }
}

impl fmt::Display for InForce {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.files {
            Ok(abi) => write!(out, "files: Landlock {}", *abi as i32)?,
            Err(error) => write!(out, "files: nothing ({error})")?,
        }
        match &self.calls {
            Ok(()) => write!(out, "; calls: seccomp"),
            Err(error) => write!(out, "; calls: nothing ({error})"),
        }
    }
}

/// Shuts the calling thread in, and all that it starts from now on.
pub fn enter(needs: &Needs) -> InForce {
    InForce {
        files: shut_files(needs),
        calls: shut_calls(),
    }
}

// === Files and ports ===

/// What the system itself needs to be read: how many processors there are, how much memory is used.
const SYSTEM: &[&str] = &[
    "/proc/self",
    "/proc/stat",
    "/proc/meminfo",
    "/proc/uptime",
    "/proc/sys/kernel/random/boot_id",
    "/proc/sys/vm",
    "/sys/fs/cgroup",
    "/sys/kernel/mm/transparent_hugepage",
    "/dev/urandom",
];

fn shut_files(needs: &Needs) -> Result<ABI, SandboxError> {
    let (read, write) = (reading(), writing());
    let net = if needs.ports.contains(&0) {
        AccessNet::ConnectTcp.into()
    } else {
        AccessNet::ConnectTcp | AccessNet::BindTcp
    };
    // The first version of Landlock lets no file move from one folder to another, as the inbox must.
    let second = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V2))
        .map_err(|_| SandboxError::NoLandlock)?;
    let rules = second
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V5))?
        .handle_access(net)?
        .scope(Scope::Signal)?
        .create()?
        .add_rules(path_beneath_rules(SYSTEM, read))?
        .add_rules(path_beneath_rules(
            needs.read.iter().flat_map(|it| around(it)),
            read,
        ))?;
    let rules = written(rules, &needs.written, read | write)?;
    let socket = needs.socket.as_deref().map(folder_of);
    let may = AccessFs::MakeSock | AccessFs::RemoveFile;
    let rules = written(rules, socket.as_slice(), may)?;
    let ports = needs
        .ports
        .iter()
        .filter(|_| net.contains(AccessNet::BindTcp));
    let ports = ports.map(|port| NetPort::new(*port, AccessNet::BindTcp));
    let rules = rules.add_rules(ports.map(Ok::<_, RulesetError>))?;
    let status = rules.restrict_self()?;
    match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, _) => Err(SandboxError::NoLandlock),
        (_, LandlockStatus::Available { effective_abi, .. }) => Ok(effective_abi),
        _ => Err(SandboxError::NoLandlock),
    }
}

fn reading() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::ReadDir
}

/// Neither programs nor devices.
fn writing() -> BitFlags<AccessFs> {
    AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
        | AccessFs::Refer
}

/// Folders that must be there.
fn written(
    mut rules: RulesetCreated,
    folders: &[impl AsRef<Path>],
    may: BitFlags<AccessFs>,
) -> Result<RulesetCreated, SandboxError> {
    for folder in folders {
        rules = rules.add_rule(PathBeneath::new(PathFd::new(folder)?, may))?;
    }
    Ok(rules)
}

/// The folder of a file, and that of the file it links to. Of a file in the root folder, only itself:
/// its folder would be everything.
fn around(file: &Path) -> Vec<PathBuf> {
    let meant = [Some(file.to_path_buf()), file.canonicalize().ok()];
    let places = meant.into_iter().flatten().map(|file| {
        let folder = folder_of(&file);
        let is_root = folder.canonicalize().is_ok_and(|it| it == Path::new("/"));
        if is_root { file } else { folder }
    });
    places.collect()
}

fn folder_of(file: &Path) -> PathBuf {
    let folder = file.parent().filter(|it| !it.as_os_str().is_empty());
    folder.unwrap_or(Path::new(".")).to_path_buf()
}

// === Calls ===

/// Calls that a service never makes, and what for somebody else might.
const DENIED: &[(&str, &[libc::c_long])] = &[
    ("other programs", &[libc::SYS_execve, libc::SYS_execveat]),
    (
        "other processes: their memory, files and secrets",
        &[
            libc::SYS_ptrace,
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_process_madvise,
            libc::SYS_pidfd_open,
            libc::SYS_pidfd_getfd,
            libc::SYS_pidfd_send_signal,
            libc::SYS_kcmp,
            libc::SYS_perf_event_open,
        ],
    ),
    (
        "parts of the kernel with many holes, none of which is used",
        &[
            libc::SYS_bpf,
            libc::SYS_userfaultfd,
            libc::SYS_io_uring_setup,
            libc::SYS_io_uring_enter,
            libc::SYS_io_uring_register,
            libc::SYS_add_key,
            libc::SYS_request_key,
            libc::SYS_keyctl,
            libc::SYS_vmsplice,
            libc::SYS_personality,
            libc::SYS_fanotify_init,
            libc::SYS_lookup_dcookie,
            libc::SYS_nfsservctl,
        ],
    ),
    (
        "another view of the files",
        &[
            libc::SYS_mount,
            libc::SYS_umount2,
            libc::SYS_mount_setattr,
            libc::SYS_move_mount,
            libc::SYS_open_tree,
            libc::SYS_fsopen,
            libc::SYS_fsconfig,
            libc::SYS_fsmount,
            libc::SYS_fspick,
            libc::SYS_pivot_root,
            libc::SYS_chroot,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_open_by_handle_at,
            libc::SYS_mknodat,
        ],
    ),
    (
        "the machine itself",
        &[
            libc::SYS_init_module,
            libc::SYS_finit_module,
            libc::SYS_delete_module,
            libc::SYS_kexec_load,
            libc::SYS_kexec_file_load,
            libc::SYS_reboot,
            libc::SYS_swapon,
            libc::SYS_swapoff,
            libc::SYS_acct,
            libc::SYS_quotactl,
            libc::SYS_syslog,
            libc::SYS_sethostname,
            libc::SYS_setdomainname,
            libc::SYS_settimeofday,
            libc::SYS_clock_settime,
            libc::SYS_vhangup,
        ],
    ),
    (
        "other users",
        &[
            libc::SYS_setuid,
            libc::SYS_setgid,
            libc::SYS_setreuid,
            libc::SYS_setregid,
            libc::SYS_setresuid,
            libc::SYS_setresgid,
            libc::SYS_setgroups,
            libc::SYS_setfsuid,
            libc::SYS_setfsgid,
            libc::SYS_capset,
        ],
    ),
];

/// The same of this processor alone.
#[cfg(target_arch = "x86_64")]
const DENIED_HERE: &[libc::c_long] = &[
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS__sysctl,
    libc::SYS_mknod,
];

/// The same of this processor alone.
#[cfg(not(target_arch = "x86_64"))]
const DENIED_HERE: &[libc::c_long] = &[];

/// x86-64 answers to each call by a second number, and to some by a third.
#[cfg(target_arch = "x86_64")]
const SECOND: Option<(libc::c_long, std::ops::Range<libc::c_long>)> = Some((0x4000_0000, 512..548));

/// Other processors do not.
#[cfg(not(target_arch = "x86_64"))]
const SECOND: Option<(libc::c_long, std::ops::Range<libc::c_long>)> = None;

/// Families of sockets: this machine's, and the internet's.
const FAMILIES: [libc::c_int; 3] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn shut_calls() -> Result<(), SandboxError> {
    // The C library starts threads by clone3, whose flags no rule can see; told that there is none, it
    // takes clone.
    let unseen = Rules::from([(libc::SYS_clone3, Vec::new())]);
    let filters = [
        filter(unseen, libc::ENOSYS)?,
        filter(denied()?, libc::EPERM)?,
    ];
    for filter in filters {
        apply_filter(&filter)?;
    }
    Ok(())
}

fn filter(rules: Rules, error: libc::c_int) -> Result<BpfProgram, BackendError> {
    let error = SeccompAction::Errno(error.unsigned_abs());
    let processor = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::Allow, error, processor)?.try_into()
}

/// Calls, and of which arguments they are denied; of any, where none are told.
fn denied() -> Result<Rules, BackendError> {
    let always = DENIED.iter().flat_map(|(_, calls)| *calls);
    let mut rules: Rules = always
        .chain(DENIED_HERE)
        .map(|call| (*call, Vec::new()))
        .collect();
    let is = |argument, operator, value: libc::c_int| {
        let value = u64::from(value.unsigned_abs());
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
    };
    let has = |argument, flags: libc::c_int| {
        is(
            argument,
            SeccompCmpOp::MaskedEq(u64::from(flags.unsigned_abs())),
            flags,
        )
    };
    let lacks = |argument, flag: libc::c_int| {
        is(
            argument,
            SeccompCmpOp::MaskedEq(u64::from(flag.unsigned_abs())),
            0,
        )
    };
    let rule = |conditions| SeccompRule::new(conditions);
    // Memory that can be written and run, or that becomes code.
    let code = libc::PROT_WRITE | libc::PROT_EXEC;
    rules.insert(libc::SYS_mmap, vec![rule(vec![has(2, code)?])?]);
    for call in [libc::SYS_mprotect, libc::SYS_pkey_mprotect] {
        rules.insert(call, vec![rule(vec![has(2, libc::PROT_EXEC)?])?]);
    }
    // Threads are started, processes are not.
    rules.insert(
        libc::SYS_clone,
        vec![rule(vec![lacks(0, libc::CLONE_THREAD)?])?],
    );
    let other = FAMILIES.map(|family| is(0, SeccompCmpOp::Ne, family));
    let other = other.into_iter().collect::<Result<Vec<_>, _>>()?;
    rules.insert(libc::SYS_socket, vec![rule(other)?]);
    // What somebody types into the operator's terminal.
    let typing = is(1, SeccompCmpOp::Eq, libc::TIOCSTI as libc::c_int)?;
    rules.insert(libc::SYS_ioctl, vec![rule(vec![typing])?]);
    if let Some((bit, third)) = SECOND {
        let calls: Vec<i64> = rules.keys().copied().chain(third).collect();
        rules.extend(calls.into_iter().map(|call| (call | bit, Vec::new())));
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{self, ErrorKind};
    use std::net::{TcpListener, TcpStream};
    use std::process::Command;

    use socket2::{Domain, Socket, Type};

    use super::*;

    /// What a thread of its own answers that has been shut in.
    fn inside<T: Send + 'static>(
        needs: Needs,
        work: impl FnOnce(&InForce) -> T + Send + 'static,
    ) -> T {
        let thread = std::thread::spawn(move || work(&enter(&needs)));
        thread.join().unwrap()
    }

    fn kind<T>(done: io::Result<T>) -> Option<ErrorKind> {
        done.err().map(|error| error.kind())
    }

    #[test]
    fn no_program_can_be_started_and_no_odd_socket_made() {
        let (in_force, program, thread, odd, usual) = inside(Needs::default(), |in_force| {
            let odd = Socket::new(Domain::from(libc::AF_NETLINK), Type::DGRAM, None);
            (
                in_force.calls.is_ok(),
                kind(Command::new("/bin/true").spawn()),
                std::thread::spawn(|| kind(Command::new("/bin/true").spawn()))
                    .join()
                    .unwrap(),
                kind(odd),
                kind(Socket::new(Domain::IPV4, Type::STREAM, None)),
            )
        });
        assert!(in_force, "every kernel that we know has seccomp");
        let denied = Some(ErrorKind::PermissionDenied);
        assert_eq!(
            (program, thread, odd, usual),
            (denied, denied, denied, None)
        );
        // Whoever is outside is as free as before.
        assert!(Command::new("/bin/true").status().unwrap().success());
    }

    #[test]
    fn files_and_ports_that_were_not_named_cannot_be_touched() {
        let outer = tempfile::tempdir().unwrap();
        let at = |name: &str| outer.path().join(name);
        for name in ["data", "data/a", "data/b", "certs", "other"] {
            fs::create_dir(at(name)).unwrap();
        }
        fs::write(at("certs/key.pem"), "old").unwrap();
        fs::write(at("other/secret"), "secret").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = free.local_addr().unwrap();
        drop(free);
        let needs = Needs {
            written: vec![at("data")],
            read: vec![at("certs/key.pem")],
            ports: vec![ours.port()],
            ..Needs::default()
        };
        let root = outer.path().to_path_buf();
        let (replace, replaced) = (at("certs/new"), at("certs/key.pem"));
        let (ready, go) = std::sync::mpsc::channel::<()>();
        let outside = std::thread::spawn(move || {
            go.recv().unwrap();
            fs::write(&replace, "new").unwrap();
            fs::rename(&replace, &replaced).unwrap();
        });
        let done = inside(needs, move |in_force| {
            let at = |name: &str| root.join(name);
            if in_force.files.is_err() {
                return Err(in_force.to_string());
            }
            ready.send(()).unwrap();
            let new = || fs::read_to_string(at("certs/key.pem")).unwrap() == "new";
            while !new() {
                std::thread::yield_now();
            }
            fs::write(at("data/a/file"), "mine").unwrap();
            fs::rename(at("data/a/file"), at("data/b/file")).unwrap();
            fs::remove_file(at("data/b/file")).unwrap();
            TcpListener::bind(ours).unwrap();
            Ok([
                kind(fs::write(at("other/file"), "x")),
                kind(fs::write(at("certs/file"), "x")),
                kind(fs::read(at("other/secret"))),
                kind(fs::rename(at("certs/key.pem"), at("data/key.pem"))),
                kind(fs::read("/etc/passwd")),
                kind(TcpStream::connect(address)),
                kind(TcpListener::bind("127.0.0.1:0")),
            ])
        });
        match done {
            Ok(kinds) => {
                let denied = [Some(ErrorKind::PermissionDenied); 6];
                // Moving between folders whose rules differ has an error of its own.
                let moved = kinds[3].is_some();
                let others = [kinds[0], kinds[1], kinds[2], kinds[4], kinds[5], kinds[6]];
                assert!(moved && others == denied, "{kinds:?}");
                outside.join().unwrap();
            }
            Err(told) => assert!(told.contains("files: nothing (the kernel"), "{told}"),
        }
        assert_eq!(fs::read_to_string(at("other/secret")).unwrap(), "secret");
    }

    #[test]
    fn a_required_sandbox_is_whole_or_refused() {
        let lacking = || InForce {
            files: Err(SandboxError::NoLandlock),
            calls: Ok(()),
        };
        let refused = lacking().enough(Sandbox::Required).unwrap_err().to_string();
        assert!(
            refused.contains("Landlock") && refused.contains("calls: seccomp"),
            "{refused}"
        );
        let told = lacking().enough(Sandbox::On).unwrap();
        assert!(
            !told.is_whole() && told.to_string().starts_with("files: nothing ("),
            "{told}"
        );
        let whole = InForce {
            files: Ok(ABI::V6),
            calls: Ok(()),
        };
        let told = whole.enough(Sandbox::Required).unwrap().to_string();
        assert_eq!(told, "files: Landlock 6; calls: seccomp");
    }

    #[test]
    fn a_file_in_the_root_folder_does_not_open_everything() {
        assert_eq!(
            around(Path::new("/consumers.toml")),
            [Path::new("/consumers.toml")]
        );
        assert_eq!(around(Path::new("consumers.toml"))[0], Path::new("."));
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        fs::create_dir(folder.join("live")).unwrap();
        fs::write(folder.join("live/key.pem"), "").unwrap();
        fs::create_dir(folder.join("etc")).unwrap();
        let link = folder.join("etc/key.pem");
        std::os::unix::fs::symlink("../live/key.pem", &link).unwrap();
        assert_eq!(around(&link), [folder.join("etc"), folder.join("live")]);
    }

    #[test]
    fn every_call_that_is_denied_is_denied_by_both_its_numbers() {
        let rules = denied().unwrap();
        assert!(rules.len() > 60);
        if let Some((bit, _)) = SECOND {
            for call in rules.keys().filter(|it| **it & bit == 0) {
                assert!(rules.contains_key(&(call | bit)), "{call}");
            }
        }
        filter(rules, libc::EPERM).unwrap();
    }
}
