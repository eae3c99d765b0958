//! `skiff create`: decides everything about the container, then makes it.

use crate::{Context, argv, listen, settings, wasm};
use anyhow::Context as _;
use skiff_launch::Request;
use skiff_plan::{Bundle, CgroupManager, Needs, Options};
use std::path::PathBuf;

/// What `create` and `run` have in common.
#[derive(Debug, clap::Args)]
#[group(skip)] // `run` flattens this into a struct of the same name, and clap names groups after structs
pub(crate) struct Args {
    /// The bundle: the directory of config.json
    #[arg(short, long, default_value = ".", value_name = "DIR", hide_default_value = true)]
    bundle: PathBuf,
    /// Another file than config.json in the bundle
    #[arg(short = 'f', long, default_value = "config.json", value_name = "FILE")]
    config: String,
    /// Unix socket that gets the terminal, when there is one
    #[arg(long, value_name = "SOCKET")]
    console_socket: Option<PathBuf>,
    /// Unix socket that gets a descriptor of the container's process
    #[arg(long, value_name = "SOCKET")]
    pidfd_socket: Option<PathBuf>,
    /// File that gets the pid of the container's process
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
    /// Move the root instead of pivot_root: for a host whose root is a ramfs
    #[arg(long)]
    no_pivot: bool,
    /// Leave the caller's session keyring to the container
    #[arg(long)]
    no_new_keyring: bool,
    /// Accepted for compatibility
    #[arg(long)]
    no_subreaper: bool,
    /// Hand on this many descriptors from 3 on
    #[arg(long, default_value_t = 0, value_name = "N")]
    preserve_fds: u32,
    /// The container's id
    pub(super) id: String,
}

/// Returns when the container's process waits for `start`.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    args.launch(context, |request| Ok(skiff_launch::create(request).map(drop)?))
}

impl Args {
    /// Decides everything, then acts. Warnings are logged only after success: a failing call logs its error and nothing else.
    pub(super) fn launch<T>(&self, context: &Context, act: impl FnOnce(&Request<'_>) -> anyhow::Result<T>) -> anyhow::Result<T> {
        skiff_state::check_id(&self.id)?;
        let bundle = Bundle::open(&self.bundle, &self.config)?;
        let systemd = context.global.cgroup_manager() == CgroupManager::Systemd;
        let facts = skiff_launch::host_facts(Needs { outer_uid: systemd, ..bundle.needs() })?;
        let options = self.options(context)?;
        let mut plan = skiff_plan::resolve(&bundle, &facts, &options)?;
        if plan.wasm.is_some() {
            wasm::hand_over(context)?;
        }
        let asked = plan.wasm.take();
        let engine = context.wasm.zip(asked.as_ref()).map(|(wasm, asked)| wasm.engine(asked, &options.settings, context.args));
        let pid_file = self.pid_file.as_ref().map(std::path::absolute).transpose().context("--pid-file is empty")?;
        let listen_fds = listen::hand_on(&mut plan.process);
        let store = context.store()?;
        let notify = skiff_launch::offer_notify(&mut plan, &store, &self.id);
        let done = act(&Request {
            id: &self.id,
            plan: &plan,
            facts: &facts,
            store: &store,
            pid_file: pid_file.as_deref(),
            console_socket: self.console_socket.as_deref(),
            pidfd_socket: self.pidfd_socket.as_deref(),
            preserve_fds: self.preserve_fds + listen_fds,
            inherited_fds: context.inherited_fds,
            args: context.args,
            engine: engine.as_deref(),
            no_new_keyring: self.no_new_keyring,
            notify,
        })?;
        plan.warnings.iter().for_each(|warning| context.log.warning(warning));
        Ok(done)
    }

    fn options(&self, context: &Context) -> anyhow::Result<Options> {
        Ok(Options {
            id: self.id.clone(),
            cgroup_manager: context.global.cgroup_manager(),
            no_pivot: self.no_pivot,
            called_wasm: std::env::args_os().next().is_some_and(|program| argv::names_wasm(&program)),
            settings: settings::load()?,
        })
    }
}
