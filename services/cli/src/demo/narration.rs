//! What the demonstration prints: acts, what each party does and sees, and how long it took.

use std::time::Instant;

use crate::{demo::stage::Stage, output::Output};

pub struct Narrator {
    output: Output,
    began: Instant,
    /// Says nothing: for tests that play the same acts.
    quiet: bool,
}

impl Narrator {
    pub fn new(output: Output, quiet: bool) -> Self {
        Self {
            output,
            began: Instant::now(),
            quiet,
        }
    }

    /// A new act.
    pub fn act(&self, zh: &str, en: &str) {
        if self.quiet {
            return;
        }
        let seconds = self.began.elapsed().as_secs_f32();
        println!("\n━━ {} ━━ [{seconds:.1} s]", self.output.say(zh, en));
    }

    /// Something that happens.
    pub fn line(&self, zh: &str, en: &str) {
        if !self.quiet {
            println!("   {}", self.output.say(zh, en));
        }
    }

    /// What a party sees.
    pub fn sees(&self, who: &str, what: &str) {
        if self.quiet {
            return;
        }
        for (at, line) in what.lines().enumerate() {
            let who = if at == 0 {
                format!("[{who}] ")
            } else {
                "   ".to_owned()
            };
            println!("   {who}{line}");
        }
    }

    pub const fn output(&self) -> Output {
        self.output
    }

    /// How to go on by hand.
    pub fn stay(&self, stage: &Stage) {
        let output = self.output;
        println!(
            "\n{}",
            output.say(
                "平台保持运行，按 Ctrl-C 结束。可以亲手试：",
                "The platform stays up until Ctrl-C. Try it by hand:"
            )
        );
        println!(
            "   export SUNBID_HOME={} SUNBID_ENDPOINT={}",
            stage.home().display(),
            stage.endpoint()
        );
        for command in [
            "sunbid tender list",
            "sunbid notice list",
            "sunbid --profile supervisor audit status",
            "sunbid --profile supplier-1 bid list",
            "sunbid --profile centre clock show",
        ] {
            println!("   {command}");
        }
    }
}
