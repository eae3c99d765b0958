//! `/etc/skiff/skiff.toml`, the file of a user without root, and the annotations about WebAssembly, as far as no engine is
//! needed. The settings lie on an /etc of the test's own, in a mount namespace of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::common::{Out, Test, refused};
use crate::users::{NOBODY, command, one_id, rootless};

const FILE: &str = "/etc/skiff/skiff.toml";

/// `inner` where skiff.toml says `text`; `prepare` is one more shell command about it.
pub fn with_settings(t: &Test, text: &str, prepare: &str, inner: &Command) -> Command {
    fs::write(t.dir().join("skiff.toml"), text).unwrap();
    let script = "mount -t tmpfs none /etc && mkdir /etc/skiff && cat \"$1\" >/etc/skiff/skiff.toml && shift";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-ec", &format!("{script} && {prepare} && exec \"$@\""), "sh"]);
    command.arg(t.dir().join("skiff.toml")).arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.env_remove("XDG_CONFIG_HOME").current_dir(t.bundle()).stdin(Stdio::null());
    command
}

fn run(t: &Test, text: &str, prepare: &str) -> Out {
    t.finish_command(with_settings(t, text, prepare, &t.command(&["run", &t.id])))
}

// Annotations.

both!(a_native_command_under_smart_annotations, |t: &mut Test| {
    t.spec["annotations"] = json!({"run.oci.handler": "wasm-smart"});
    assert_eq!(t.run_sh("echo native"), "native\n");
    t.spec["annotations"] = json!({"module.wasm.image/variant": "compat-smart"});
    t.running();
    t.call(&["exec", &t.id, "/bin/echo", "native"]).ok();
});

both!(a_sandbox_is_native, |t: &mut Test| {
    skiff_only!(t, "others look at one of the two keys");
    for key in ["io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType"] {
        t.spec["annotations"] = json!({"run.oci.handler": "wasm", key: "sandbox"});
        t.run().ok();
    }
});

both!(annotations_that_nobody_knows, |t: &mut Test| {
    skiff_only!(t, "they are its own");
    t.spec["annotations"] = json!({"run.oci.handler": "krun"});
    refused(t, &["annotation run.oci.handler", "`krun`", "wasm, wasmedge, wasm-smart"]);
    t.spec["annotations"] = json!({"org.skiff.wasm.socket": "false"});
    refused(t, &["annotation org.skiff.wasm.socket", "not known", "sockets"]);
    t.spec["annotations"] = json!({"org.skiff.wasm.memory": "64 MB"});
    refused(t, &["annotation org.skiff.wasm.memory", "`64 MB` is no size"]);
});

// The administrator's file.

host_only!(a_ceiling_holds, |t: &mut Test| {
    skiff_only!(t, "the file is its own");
    let text = "[wasm.ceiling]\nmax_memory = '32m'\n";
    t.spec["annotations"] = json!({"org.skiff.wasm.memory": "32m"});
    run(t, text, "true").ok();
    t.spec["annotations"] = json!({"org.skiff.wasm.memory": "33m"});
    let words = ["annotation org.skiff.wasm.memory: 33m is more than wasm.ceiling.max_memory of skiff.toml allows: 32m"];
    run(t, text, "true").fails_with(&words);
    t.assert_nothing_left();
});

host_only!(a_bad_file_is_one_clear_error, |t: &mut Test| {
    skiff_only!(t, "the file is its own");
    for (text, words) in [
        ("[wasm]\nprofile = 'deny\n", ": line 2: "),
        ("[wasm]\nsniff = 1\n", ": line 2: wasm.sniff: has to be true or false"),
        ("[wasm]\n\nsnif = true\n", ": line 3: wasm.snif: is not known"),
    ] {
        run(t, text, "true").fails_with(&[&format!("{FILE}{words}")]);
        t.assert_nothing_left();
    }
});

host_only!(a_file_that_others_could_write, |t: &mut Test| {
    skiff_only!(t, "the file is its own");
    for (prepare, words) in [
        (format!("chmod 666 {FILE}"), "can be written by others than its owner: mode 666"),
        (format!("chown {NOBODY} {FILE}"), "belongs to user 12345, who has no say here"),
        (format!("rm {FILE} && mkdir {FILE}"), "is not a regular file"),
        (format!("rm {FILE} && mkfifo {FILE}"), "is not a regular file"),
    ] {
        run(t, "", &prepare).fails_with(&[&format!("{FILE}: {words}")]);
        t.assert_nothing_left();
    }
});

// The file of a user without root.

/// A configuration directory of `NOBODY`'s with this skiff.toml.
fn users_file(t: &Test, text: &str) {
    let dir = t.dir().join("config/skiff");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("skiff.toml"), text).unwrap();
    fs::set_permissions(dir.join("skiff.toml"), fs::Permissions::from_mode(0o644)).unwrap();
    std::os::unix::fs::chown(dir.join("skiff.toml"), Some(NOBODY), Some(NOBODY)).unwrap();
}

/// `run` by `NOBODY` with both files, by `around` if it is not empty.
fn as_nobody(t: &Test, system: &str, around: &[&str]) -> Out {
    let mut command = with_settings(t, system, "true", &command(t, around, &["run", &t.id]));
    command.env("XDG_CONFIG_HOME", t.dir().join("config"));
    t.finish_command(command)
}

host_only!(a_users_file_only_takes_away, |t: &mut Test| {
    skiff_only!(t, "the file is its own");
    rootless(t, &one_id());
    t.spec["annotations"] = json!({"org.skiff.wasm.sockets": "true"});
    users_file(t, "[wasm.ceiling]\nsockets = false\n");
    as_nobody(t, "", &[]).fails_with(&["annotation org.skiff.wasm.sockets", "wasm.ceiling.sockets"]);
    users_file(t, "[wasm.ceiling]\nsockets = true\n");
    as_nobody(t, "", &[]).ok();
    let words = ["config/skiff/skiff.toml: line 2: wasm.ceiling.sockets: true is more than"];
    as_nobody(t, "[wasm.ceiling]\nsockets = false\n", &[]).fails_with(&words);
    t.assert_nothing_left();
});

// As with rootless podman: the runtime is "root", and the administrator's file belongs to nobody whom the namespace knows.
host_only!(both_files_inside_a_user_namespace, |t: &mut Test| {
    skiff_only!(t, "the file is its own");
    rootless(t, &one_id());
    t.without_namespace("user");
    t.spec["linux"].as_object_mut().unwrap().remove("uidMappings");
    t.spec["linux"].as_object_mut().unwrap().remove("gidMappings");
    let around = ["unshare", "--user", "--map-root-user", "--mount"];
    t.spec["annotations"] = json!({"org.skiff.wasm.interpret": "true"});
    users_file(t, "");
    as_nobody(t, "", &around).ok();
    as_nobody(t, "[wasm.ceiling]\ninterpret = false\n", &around).fails_with(&["wasm.ceiling.interpret"]);
    users_file(t, "[wasm.ceiling]\ninterpret = false\n");
    as_nobody(t, "", &around).fails_with(&["wasm.ceiling.interpret"]);
    t.assert_nothing_left();
});

host_only!(root_has_no_file_of_its_own, |t: &mut Test| {
    skiff_only!(t, "the file is its own");
    users_file(t, "not toml");
    let mut command = with_settings(t, "", "true", &t.command(&["run", &t.id]));
    command.env("XDG_CONFIG_HOME", t.dir().join("config")).env_remove("USER");
    t.finish_command(command).ok();
});
