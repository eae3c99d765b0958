//! `list`: table, JSON, ids.

use serde_json::Value;

use crate::common::Test;

both!(table, |t: &mut Test| {
    t.running();
    let pid = t.pid().to_string();
    let out = t.call(&["list"]);
    let lines: Vec<Vec<&str>> = out.ok().lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]);
    let bundle = t.bundle();
    assert_eq!(lines[1][..4], [t.id.as_str(), &pid, "running", bundle.to_str().unwrap()]);
    assert_eq!((lines.len(), lines[1].len(), lines[1][5]), (2, 6, "root"), "{}", out.stdout);
});

both!(columns_stand_below_each_other, |t: &mut Test| {
    t.create();
    let out = t.call(&["list"]);
    let lines: Vec<&str> = out.ok().lines().collect();
    let column = lines[0].find("STATUS").unwrap();
    assert_eq!(lines[1].find("created").unwrap(), column, "{}", out.stdout);
    assert_eq!(&lines[0][..2], "ID");
});

both!(json, |t: &mut Test| {
    t.create();
    let out = t.call(&["list", "--format", "json"]);
    let list: Value = serde_json::from_str(out.ok()).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!((list[0]["id"].as_str(), list[0]["status"].as_str()), (Some(t.id.as_str()), Some("created")));
    assert_eq!(list[0]["pid"], t.pid());
    assert_eq!(list[0]["owner"], "root");
});

both!(quiet, |t: &mut Test| {
    t.create();
    let other = format!("{}-b", t.id);
    t.call(&["create", &other]).ok();
    assert_eq!(t.call(&["list", "-q"]).ok(), format!("{}\n{other}\n", t.id));
    assert_eq!(t.call(&["list", "--quiet"]).ok(), format!("{}\n{other}\n", t.id));
});

both!(empty, |t: &mut Test| {
    t.create();
    t.call(&["delete", &t.id]).ok();
    assert_eq!(t.call(&["list", "--format", "json"]).ok().trim_end(), "null");
    assert_eq!(t.call(&["list", "--quiet"]).ok(), "");
    assert!(t.call(&["list"]).ok().starts_with("ID "));
});

both!(a_stopped_container_has_no_pid, |t: &mut Test| {
    t.args(&["/bin/true"]);
    t.create();
    t.start();
    t.wait_status("stopped");
    let list: Value = serde_json::from_str(t.call(&["list", "-f", "json"]).ok()).unwrap();
    assert_eq!((list[0]["status"].as_str(), list[0]["pid"].as_i64()), (Some("stopped"), Some(0)));
});

host_only!(an_unknown_format_is_refused, |t: &mut Test| {
    t.call(&["list", "--format", "xml"]).fails_with(&["format"]);
});
