import type { Completed } from "../completion.ts";

/** A text in single quotes; in what _describe reads, a colon ends the word. */
const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
const described = (word: string, sentence: string) => quoted(`${word.replaceAll(":", "\\:")}:${sentence}`);

/** For zsh. */
export const zsh = ({ commands, keys, sections }: Completed): string => `#compdef distill
# source <(distill completion zsh)
_distill() {
  local -a commands flags keys values
  local word=\${words[CURRENT]} index recipe=0
  commands=(
${commands.map(({ name, description }) => `    ${described(name, description)}`).join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  if [[ $word == *=* ]]; then
    case \${word%%=*} in
${keys
  .filter(({ values }) => values.length > 0)
  .map(({ key, values }) => `      ${key}) values=(${values.map(quoted).join(" ")}) ;;`)
  .join("\n")}
      *) compset -P '*='; _files; return ;;
    esac
    compset -P '*='
    compadd -a values
    return
  fi
  if [[ $word == -* ]]; then
    case \${words[2]} in
${commands
  .map(
    ({ name, options }) =>
      `      ${name}) flags=(${options.map(({ flag, description }) => described(flag, description)).join(" ")}) ;;`,
  )
  .join("\n")}
    esac
    _describe option flags
    return
  fi
  keys=(${keys.map(({ key }) => key).join(" ")})
  case \${words[2]} in
    ${commands.flatMap(({ name, recipe }) => (recipe ? [name] : [])).join("|")})
      # the first word that is no option is the recipe
      for (( index = 3; index < CURRENT; index++ )); do
        [[ \${words[index]} == -* ]] || recipe=1
      done
      if (( recipe )); then compadd -S '=' -a keys; else _files -g '*.(yaml|yml)'; fi
      ;;
    completion) compadd bash fish zsh ;;
    options) compadd ${sections.join(" ")} ;;
    *) _files ;;
  esac
}
compdef _distill distill`;
