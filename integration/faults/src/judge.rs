//! What a command owes after a fault: all of what was asked for, or one error and nothing; and a `delete --force` that clears the
//! rest.

use crate::fault::Fault;
use crate::tracer::Ending;
use crate::walk::{Case, Tally, Verb, Walk};
use crate::{cache, picture};
use skiff_testbed::Error;

impl Walk<'_> {
    /// What the command's end and what it has left say about it.
    pub(crate) fn judge(
        &self,
        id: &str,
        case: &Case,
        ending: Ending,
        tally: &mut Tally,
        problems: &mut Vec<String>,
    ) -> Result<(), Error> {
        let (step, fault) = &case.at;
        self.check_unseen(case, ending, problems);
        match ending {
            Ending::Exited(code) if code == self.verb.success() => {
                tally.survived += 1;
                let mut found = Vec::new();
                if let Err(error) = self.check_works(id, &mut found) {
                    found.push(error.to_string());
                }
                if !self.may_fail_late(case) {
                    problems.append(&mut found);
                }
            }
            // Nobody was told, but the container is there; that of run may have ended meanwhile.
            Ending::Killed(_) if self.marks.is_after_commit(step, case.place) && *fault == Fault::Kill => {
                tally.died += 1;
                if self.verb != Verb::Run {
                    self.check_works(id, problems)?;
                }
            }
            // Rust's runtime, libc and its loader give up by a signal, or by 127, where they cannot even report.
            Ending::Killed(_) | Ending::Exited(127) => {
                tally.died += 1;
                if *fault != Fault::Kill && !step.may_abort() && !self.is_loaders_word() {
                    problems.push(format!("{ending:?} instead of an error: {:?}", self.lab.stderr()));
                }
            }
            Ending::Exited(code) if self.verb == Verb::Run && self.is_containers(case) => {
                self.check_end(id, case, code, problems)?;
            }
            Ending::Exited(code) => self.check_refusal(id, case, code, problems)?,
        }
        self.check_cache(case, problems);
        Ok(())
    }

    /// What the compiler fails at is nobody's business: neither in the command's end nor in a word of its.
    fn check_unseen(&self, case: &Case, ending: Ending, problems: &mut Vec<String>) {
        let (step, fault) = &case.at;
        let looks_up = self.marks.is_look_up(step, case.place) && *fault != Fault::Kill && !step.may_abort();
        if !looks_up && !self.marks.is_compilers(step) {
            return;
        }
        let stderr = self.lab.stderr();
        if ending != Ending::Exited(0) && self.verb != Verb::Run || !stderr.is_empty() {
            problems.push(format!("it can be seen that there is no compiled code: {ending:?}, {stderr:?}"));
        }
    }

    fn check_cache(&self, case: &Case, problems: &mut Vec<String>) {
        let (step, fault) = &case.at;
        let Some(code) = self.code.as_ref().filter(|_| self.lab.workload.compiles()) else { return };
        let killed = *fault == Fault::Kill || step.may_abort();
        let may_be_noted = killed || self.marks.is_compiler_program(step, case.place);
        problems.extend(cache::problems(code, killed, may_be_noted));
    }

    /// From there on the exit code is the container's.
    fn is_containers(&self, case: &Case) -> bool {
        let (step, place) = (&case.at.0, case.place);
        self.marks.is_after_ready(step, place) || self.marks.is_guests(step, place)
    }

    /// The process has ended when it was there already. Then start has told, or it has told on its own stderr, as runc's does
    /// when execve fails; or it was killed, or the payload has shown it.
    fn may_fail_late(&self, case: &Case) -> bool {
        let (step, fault) = &case.at;
        let told = match self.verb {
            Verb::Exec => *fault == Fault::Kill || self.lab.stderr().lines().count() == 1,
            _ => self.is_one_error_line(),
        };
        self.marks.is_guests(step, case.place) || self.marks.is_after_ready(step, case.place) && told
    }

    /// The command said that it succeeded: then nothing of what was asked for may be missing.
    fn check_works(&self, id: &str, problems: &mut Vec<String>) -> Result<(), Error> {
        if matches!(self.verb, Verb::Delete | Verb::Run) {
            problems.extend(self.lab.leftovers(id)?);
        }
        let now = match self.verb {
            Verb::Delete => return Ok(()),
            Verb::Run => self.lab.stdout(),
            _ => self.look(id, problems)?,
        };
        let differences = picture::differences(&self.usual, &now);
        problems.extend(differences.into_iter().map(|line| format!("succeeded, but {line}")));
        Ok(())
    }

    fn is_one_error_line(&self) -> bool {
        let stderr = self.lab.stderr();
        stderr.contains("level=error") && stderr.lines().count() == 1
    }

    /// ld.so(8) has said what it cannot do.
    fn is_loaders_word(&self) -> bool {
        // The second is said where it could not open the engine's own library, and took the host's.
        const WORDS: [&str; 2] = ["error while loading shared libraries", " not found (required by "];
        let stderr = self.lab.stderr();
        !stderr.is_empty() && stderr.lines().all(|line| WORDS.iter().any(|words| line.contains(words)))
    }

    /// The container of `run` ended in another way than its payload's: it has said why, unless that was the payload itself, or it
    /// was killed.
    fn check_end(&self, id: &str, case: &Case, code: i32, problems: &mut Vec<String>) -> Result<(), Error> {
        let (step, fault) = &case.at;
        let speechless = *fault == Fault::Kill || step.may_abort() || self.marks.is_guests(step, case.place);
        if !speechless && self.lab.stderr().lines().count() != 1 {
            problems.push(format!("exit code {code} with {:?} instead of one error line", self.lab.stderr()));
        }
        problems.extend(self.lab.leftovers(id)?.into_iter().map(|what| format!("left by run: {what}")));
        Ok(())
    }

    /// The command said that it failed: one line, and it has cleaned up by itself.
    fn check_refusal(&self, id: &str, case: &Case, code: i32, problems: &mut Vec<String>) -> Result<(), Error> {
        if !self.is_one_error_line() && !self.is_loaders_word() {
            let stderr = self.lab.stderr();
            problems.push(format!("exit code {code} with {stderr:?} instead of one error line"));
        }
        let left = match self.verb {
            // What was not to be removed is left, and told.
            Verb::Run if self.marks.is_over(&case.at.0, case.place) => Vec::new(),
            Verb::Create | Verb::Run => self.lab.leftovers(id)?,
            Verb::Exec => {
                let mut left = self.lab.strangers()?;
                left.extend(picture::differences(&self.before, &self.look_at_init(id)?));
                left
            }
            Verb::Start | Verb::Delete => Vec::new(),
        };
        problems.extend(left.into_iter().map(|what| format!("left by the failed {}: {what}", self.verb)));
        Ok(())
    }

    /// Draws the container's first process.
    pub(crate) fn look_at_init(&self, id: &str) -> Result<String, Error> {
        picture::take(self.lab.pid()?, id, "", self.lab.workload.is_module())
    }

    /// Starts the container unless the command did, and draws it.
    pub(crate) fn look(&self, id: &str, problems: &mut Vec<String>) -> Result<String, Error> {
        if self.verb == Verb::Exec {
            let pid = self.lab.exec_pid()?;
            return picture::take(pid, id, &self.lab.payload_output(pid)?, self.lab.workload.is_module());
        }
        let pid = self.lab.pid()?;
        if self.verb == Verb::Create {
            self.lab.fresh_outputs();
            let start = self.lab.call(&["start", id])?;
            if start.code != Some(0) {
                problems.push(format!("start ended with {:?}: {}", start.code, start.stderr.trim_end()));
                return Ok(String::new());
            }
        }
        let payload = self.lab.payload_output(pid)?;
        picture::take(pid, id, &payload, self.lab.workload.is_module())
    }

    /// `delete --force`, nothing left, and the id free for another container.
    pub(crate) fn finish(&self, id: &str, problems: &mut Vec<String>) -> Result<(), Error> {
        let delete = ["delete", "--force", id].map(str::to_owned);
        self.lab.fresh_outputs();
        if let Err(error) = self.must(&delete) {
            problems.push(error.to_string());
        }
        let left = self.lab.leftovers(id)?;
        problems.extend(left.into_iter().map(|what| format!("left after delete --force: {what}")));
        self.fill_cache()?;
        if let Err(error) = self.create_again(id).and_then(|()| self.must(&delete)) {
            problems.push(format!("the id used again: {error}"));
        }
        let left = self.lab.leftovers(id)?;
        problems.extend(left.into_iter().map(|what| format!("left after the second delete: {what}")));
        self.check_compiler_recovers(problems);
        Ok(())
    }

    /// The second create has compiled what the first one may not have, and has cleared up after it.
    fn check_compiler_recovers(&self, problems: &mut Vec<String>) {
        let Some(code) = self.code.as_ref().filter(|_| self.lab.workload.compiles()) else { return };
        if cache::entries() != std::slice::from_ref(code) {
            let names: Vec<String> = cache::entries().into_iter().map(|entry| entry.name).collect();
            problems.push(format!("the next compilation leaves {names:?} in the cache, and should {}", code.name));
        }
        problems.extend(
            self.lab.compilers_left(&code.name).into_iter().map(|what| format!("left after the next compilation: {what}")),
        );
    }
}
