/** Questions of many kinds, on which files are compared with the weights that they were made of. */
export const QUESTIONS = [
  "What is the capital of France, and what is it known for?",
  "Write a haiku about the sea.",
  "Explain photosynthesis to a child of eight.",
  "What is 12 times 13? Show your work.",
  "List three unusual uses of a paper clip.",
  "Write a Python function that reverses a string.",
  "Translate 'good morning, how are you?' into Spanish and French.",
  "Why is the sky blue?",
];
