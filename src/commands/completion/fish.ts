import type { Completed } from "../completion.ts";

/** A text in single quotes. */
const quoted = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;

/** Whether a recipe has been named. */
const BEHIND = "test (count (commandline -opc)) -ge 3";

/** Recipes, and the folders in which more may be. */
const RECIPES = "(for place in (commandline -ct)*.yaml (commandline -ct)*.yml (commandline -ct)*/; echo $place; end)";

/** For fish. */
export const fish = ({ commands, keys, sections }: Completed): string => {
  const within = (names: string) => `-n '__fish_seen_subcommand_from ${names}'`;
  const recipes = commands.flatMap(({ name, recipe }) => (recipe ? [name] : [])).join(" ");
  const overrides = keys.flatMap(({ key, values }) =>
    values.length > 0 ? values.map((value) => `${key}=${value}`) : [`${key}=`],
  );
  return [
    "# distill completion fish | source",
    "complete -c distill -f -n __fish_use_subcommand",
    ...commands.map(
      ({ name, description }) => `complete -c distill -f -n __fish_use_subcommand -a ${name} -d ${quoted(description)}`,
    ),
    ...commands.flatMap(({ name, options }) =>
      options.map(
        ({ flag, description }) =>
          `complete -c distill ${within(name)} -l ${flag.replace(/^--/, "")} -d ${quoted(description)}`,
      ),
    ),
    `complete -c distill -f -n '__fish_seen_subcommand_from ${recipes}; and not ${BEHIND}' -a ${quoted(RECIPES)}`,
    `complete -c distill -f -n '__fish_seen_subcommand_from ${recipes}; and ${BEHIND}' -a ${quoted(overrides.join(" "))}`,
    `complete -c distill -f ${within("options")} -a ${quoted(sections.join(" "))}`,
    `complete -c distill -f ${within("completion")} -a 'bash fish zsh'`,
  ].join("\n");
};
