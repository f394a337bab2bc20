//! The platform's settings as environment variables and flags: made from the list of settings itself, so
//! that `--help` describes each and none can be forgotten.

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, parser::ValueSource};
use sunbid_platform::overrides::{Kind, Override, SETTINGS};

/// Settings given for this run, before what the file says.
#[derive(Clone, Debug, Default)]
pub struct SettingArguments(pub Vec<Override>);

fn flag(key: &str) -> String {
    key.replace(['.', '_'], "-")
}

/// The environment variable of a setting.
pub fn variable(key: &str) -> String {
    format!("SUNBID_{}", key.replace('.', "_").to_uppercase())
}

impl Args for SettingArguments {
    fn augment_args(command: Command) -> Command {
        SETTINGS.iter().fold(command, |command, setting| {
            let accepted = match setting.kind {
                Kind::Text => "TEXT",
                Kind::Number => "NUMBER",
                Kind::Truth => "true|false",
                Kind::List => "A,B,...",
                Kind::Names => "NAME=VALUE,...",
            };
            command.arg(
                Arg::new(setting.key)
                    .long(flag(setting.key))
                    .env(variable(setting.key))
                    .hide_env_values(true)
                    .value_name(accepted)
                    .help(setting.effect)
                    .help_heading("Settings, before what the file says"),
            )
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = SETTINGS.iter().filter_map(|setting| {
            let value = matches.get_one::<String>(setting.key)?.clone();
            let from = match matches.value_source(setting.key) {
                Some(ValueSource::EnvVariable) => variable(setting.key),
                _ => format!("--{}", flag(setting.key)),
            };
            Some(Override {
                key: setting.key.to_owned(),
                value,
                from,
            })
        });
        Ok(Self(given.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_a_flag_and_a_described_variable() {
        let mut command = SettingArguments::augment_args(Command::new("serve"));
        let help = command.render_long_help().to_string();
        for setting in SETTINGS {
            assert!(help.contains(&format!("--{}", flag(setting.key))), "{help}");
            assert!(help.contains(setting.effect), "{help}");
            assert!(help.contains(&variable(setting.key)), "{help}");
        }
        let matches = command
            .try_get_matches_from(["serve", "--bank-address", "b:1", "--peers", "bid=x:1"])
            .unwrap();
        let SettingArguments(given) = SettingArguments::from_arg_matches(&matches).unwrap();
        let given: Vec<_> = given.iter().map(|one| (&*one.key, &*one.value)).collect();
        assert_eq!(given, [("bank.address", "b:1"), ("peers", "bid=x:1")]);
    }
}
