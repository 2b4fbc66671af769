//! Scripts that complete the words of envshim in a shell, from the tables. What follows `--` is
//! completed as the program's own command line.

use super::{COMMANDS, Command, OPTIONS, Opt};

/// The script for a shell.
pub fn completions(shell: &str) -> Option<String> {
    match shell {
        "bash" => Some(bash()),
        "zsh" => Some(zsh()),
        "fish" => Some(fish()),
        _ => None,
    }
}

/// What the value of an option, or the word of a command, can be.
enum Values {
    File,
    Folder,
    /// One of these.
    Words(Vec<&'static str>),
    /// Nothing that can be guessed.
    Free,
}

fn values(option: &Opt) -> Values {
    let listed = |words: &[&'static str]| Values::Words(words.to_vec());
    match (option.name, option.value) {
        (_, Some("DIR")) => Values::Folder,
        (_, Some("FILE")) => Values::File,
        ("names", _) => listed(&["upper", "keep"]),
        ("log", _) => listed(&["error", "warn", "info", "debug"]),
        ("log-format", _) => listed(&["text", "json"]),
        ("format", _) => listed(&["dotenv", "sh", "json", "docker", "github", "k8s"]),
        _ => Values::Free,
    }
}

/// What the words of a command can be.
fn words(command: Command, words: &'static str) -> Values {
    match (command, words.trim_matches(['[', ']', '.'])) {
        (Command::Help, _) => {
            let names = COMMANDS.iter().map(|row| row.name);
            Values::Words(names.chain(["commands", "options", "references"]).collect())
        }
        (_, "FILE") => Values::File,
        (_, words) if words.contains('|') => Values::Words(words.split('|').collect()),
        _ => Values::Free,
    }
}

/// The commands, without the one that the word may be left out for.
fn options_of(command: Command) -> impl Iterator<Item = &'static Opt> {
    OPTIONS
        .iter()
        .filter(move |o| o.commands.contains(&command))
}

fn names(separator: &str) -> String {
    let names: Vec<&str> = COMMANDS.iter().map(|row| row.name).collect();
    names.join(separator)
}

/// Names may hold blanks; an old bash has no `compopt`, and then adds one behind a folder.
const FILES: &str =
    "local IFS=$'\\n'; compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- \"$cur\"))";

fn bash() -> String {
    let mut options = String::new();
    let mut operands = String::new();
    for row in COMMANDS {
        let names: Vec<String> = options_of(row.command)
            .map(|o| format!("--{}", o.name))
            .collect();
        options.push_str(&format!(
            "        {}) options='{}' ;;\n",
            row.name,
            names.join(" ")
        ));
        let action = match words(row.command, row.words) {
            Values::File | Values::Folder => FILES.to_owned(),
            Values::Words(words) => format!(
                "COMPREPLY=($(compgen -W '{}' -- \"$cur\"))",
                words.join(" ")
            ),
            Values::Free => continue,
        };
        operands.push_str(&format!("        {}) {action} ;;\n", row.name));
    }
    let mut arguments = String::new();
    for option in OPTIONS.iter().filter(|o| o.value.is_some()) {
        let action = match values(option) {
            Values::File => FILES.to_owned(),
            Values::Folder => FILES.replace(" -f ", " -d "),
            Values::Words(words) => format!(
                "COMPREPLY=($(compgen -W '{}' -- \"$cur\"))",
                words.join(" ")
            ),
            Values::Free => "COMPREPLY=()".to_owned(),
        };
        arguments.push_str(&format!("        --{}) {action}; return ;;\n", option.name));
    }
    format!(
        "# bash completion for envshim. Put it into ~/.local/share/bash-completion/completions/envshim,
# or: eval \"$(envshim completions bash)\"
_envshim() {{
    local cur prev command='' options='' word at
    COMPREPLY=()
    cur=${{COMP_WORDS[COMP_CWORD]}}
    prev=${{COMP_WORDS[COMP_CWORD-1]}}
    for ((at = 1; at < COMP_CWORD; at++)); do
        word=${{COMP_WORDS[at]}}
        if [[ $word == -- ]]; then
            if declare -F _command_offset >/dev/null; then
                _command_offset $((at + 1))
            elif ((COMP_CWORD == at + 1)); then
                COMPREPLY=($(compgen -c -- \"$cur\"))
            else
                {files}
            fi
            return
        fi
        if [[ -z $command && $word != -* ]]; then
            case $word in
                {commands}) command=$word ;;
            esac
        fi
    done
    # bash takes --option=value apart.
    [[ $cur == = ]] && cur=''
    [[ $prev == = ]] && prev=${{COMP_WORDS[COMP_CWORD-2]}}
    case $prev in
{arguments}    esac
    case ${{command:-run}} in
{options}    esac
    if [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W \"$options --\" -- \"$cur\"))
        return
    fi
    if [[ -z $command ]]; then
        COMPREPLY=($(compgen -W '{list} --' -- \"$cur\"))
        return
    fi
    case $command in
{operands}    esac
}}
complete -F _envshim envshim
",
        files = FILES,
        commands = names("|"),
        list = names(" "),
    )
}

/// Text between single quotes in zsh and fish.
fn quoted(text: &str) -> String {
    text.replace('\'', "'\\''")
}

fn zsh() -> String {
    let action = |values: Values| match values {
        Values::File => "_files".to_owned(),
        Values::Folder => "_files -/".to_owned(),
        Values::Words(words) => format!("({})", words.join(" ")),
        Values::Free => " ".to_owned(),
    };
    // In a specification `[`, `]` and `:` have a meaning.
    let plain = |text: &str| {
        let text = quoted(text);
        text.replace('[', "\\[")
            .replace(']', "\\]")
            .replace(':', "\\:")
    };
    let mut commands = String::new();
    let mut cases = String::new();
    for row in COMMANDS {
        commands.push_str(&format!("        '{}:{}'\n", row.name, plain(row.doc)));
        let mut specifications = String::new();
        for option in options_of(row.command) {
            let doc = plain(option.doc);
            let text = match option.value {
                None => format!("'--{}[{doc}]'", option.name),
                Some(value) => format!(
                    "'--{}=[{doc}]:{}:{}'",
                    option.name,
                    plain(value),
                    action(values(option))
                ),
            };
            specifications.push_str(&format!(" \\\n                {text}"));
        }
        match words(row.command, row.words) {
            Values::Free => {}
            operands => {
                specifications
                    .push_str(&format!(" \\\n                '*: :{}'", action(operands)));
            }
        }
        cases.push_str(&format!(
            "        {})\n            _arguments -S{specifications}\n            ;;\n",
            row.name
        ));
    }
    format!(
        "#compdef envshim
# zsh completion for envshim. Put it into a folder of $fpath as _envshim,
# or: source <(envshim completions zsh)
_envshim() {{
    local at cut=${{words[(ie)--]}} command=run
    if ((cut < CURRENT)); then
        shift $cut words
        ((CURRENT -= cut))
        _normal
        return
    fi
    local -a commands=(
{commands}    )
    for at in {{2..$((CURRENT - 1))}}; do
        if ((at < CURRENT)) && [[ -n ${{(M)commands:#${{words[at]}}:*}} ]]; then
            command=${{words[at]}}
            words[at]=()
            ((CURRENT--))
            break
        fi
    done
    if [[ $command == run && ${{words[CURRENT]}} != -* && ${{words[CURRENT-1]}} != --* ]]; then
        _describe command commands
        return
    fi
    case $command in
{cases}    esac
}}
if [[ $funcstack[1] == _envshim ]]; then
    _envshim \"$@\"
else
    compdef _envshim envshim
fi
"
    )
}

fn fish() -> String {
    let mut text = String::from(
        "# fish completion for envshim. Put it into ~/.config/fish/completions/envshim.fish,
# or: envshim completions fish | source
function __envshim_cut
    contains -- -- (commandline -opc)
end
function __envshim_command
    __envshim_cut; and return 1
    set -l words (commandline -opc)
    for word in $words[2..-1]
        if contains -- $word $__envshim_commands
            contains -- $word $argv
            return
        end
    end
    contains -- run $argv
end
function __envshim_none
    __envshim_cut; and return 1
    for word in (commandline -opc)[2..-1]
        contains -- $word $__envshim_commands; and return 1
    end
    return 0
end
function __envshim_program
    set -l words (commandline -opc) (commandline -ct)
    set -l at (contains -i -- -- $words)
    set -l rest $words[(math $at + 1)..-1]
    complete -C (string join ' ' -- (string escape -- $rest[1..-2]) $rest[-1])
end
complete -c envshim -f
complete -c envshim -n __envshim_cut -a '(__envshim_program)'
",
    );
    text.push_str(&format!("set -g __envshim_commands {}\n", names(" ")));
    for row in COMMANDS {
        text.push_str(&format!(
            "complete -c envshim -n __envshim_none -a {} -d '{}'\n",
            row.name,
            quoted(row.doc)
        ));
        let action = match words(row.command, row.words) {
            Values::File | Values::Folder => "-F".to_owned(),
            Values::Words(words) => format!("-a '{}'", words.join(" ")),
            Values::Free => continue,
        };
        let name = row.name;
        text.push_str(&format!(
            "complete -c envshim -n '__envshim_command {name}' {action}\n"
        ));
    }
    for option in OPTIONS {
        let takers = COMMANDS
            .iter()
            .filter(|row| option.commands.contains(&row.command));
        let takers: Vec<&str> = takers.map(|row| row.name).collect();
        let action = match (option.value, values(option)) {
            (None, _) => String::new(),
            (Some(_), Values::File) => " -r -F".to_owned(),
            (Some(_), Values::Folder) => " -x -a '(__fish_complete_directories)'".to_owned(),
            (Some(_), Values::Words(words)) => format!(" -x -a '{}'", words.join(" ")),
            (Some(_), Values::Free) => " -x".to_owned(),
        };
        text.push_str(&format!(
            "complete -c envshim -n '__envshim_command {}' -l {}{action} -d '{}'\n",
            takers.join(" "),
            option.name,
            quoted(option.doc)
        ));
    }
    text
}
