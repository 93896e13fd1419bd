import type { Completed } from "../completion.ts";

/** For bash, which takes a key, its = and its value for three words. */
export const bash = ({ commands, keys, sections }: Completed): string => `# source <(distill completion bash)
_distill() {
  local word=\${COMP_WORDS[COMP_CWORD]} command=\${COMP_WORDS[1]} key="" at=2 index
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W "${commands.map(({ name }) => name).join(" ")}" -- "$word"))
    return
  fi
  if [[ $word == "=" ]]; then
    key=\${COMP_WORDS[COMP_CWORD - 1]} word=""
  elif [[ \${COMP_WORDS[COMP_CWORD - 1]} == "=" ]]; then
    key=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  if [[ -n $key ]]; then
    case $key in
${keys
  .filter(({ values }) => values.length > 0)
  .map(({ key, values }) => `      ${key}) COMPREPLY=($(compgen -W "${values.join(" ")}" -- "$word")) ;;`)
  .join("\n")}
      *) compopt -o filenames; COMPREPLY=($(compgen -f -- "$word")) ;;
    esac
    return
  fi
  if [[ $word == -* ]]; then
    case $command in
${commands.map(({ name, options }) => `      ${name}) COMPREPLY=($(compgen -W "${options.map(({ flag }) => flag).join(" ")}" -- "$word")) ;;`).join("\n")}
    esac
    return
  fi
  case $command in
    ${commands.flatMap(({ name, recipe }) => (recipe ? [name] : [])).join(" | ")})
      # the first word that is no option is the recipe
      for ((index = 2; index < COMP_CWORD; index++)); do
        [[ \${COMP_WORDS[index]} == -* ]] || { at=0; break; }
      done
      if ((at == 0)); then
        compopt -o nospace
        COMPREPLY=($(compgen -S = -W "${keys.map(({ key }) => key).join(" ")}" -- "$word"))
      else
        compopt -o filenames
        COMPREPLY=($(compgen -f -X '!*.@(yaml|yml)' -- "$word") $(compgen -d -- "$word"))
      fi
      ;;
    completion) COMPREPLY=($(compgen -W "bash fish zsh" -- "$word")) ;;
    options) COMPREPLY=($(compgen -W "${sections.join(" ")}" -- "$word")) ;;
    *) compopt -o filenames; COMPREPLY=($(compgen -f -- "$word")) ;;
  esac
}
shopt -s extglob
complete -F _distill distill`;
