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

/** Others, whose answers an importance matrix is made of: never those on which files are compared. */
export const CALIBRATION = [
  "What is the tallest mountain on Earth?",
  "Explain how a bicycle stays upright.",
  "Write a short story about a lost umbrella.",
  "What are the ingredients of a simple bread?",
  "Summarise the plot of Romeo and Juliet in three sentences.",
  "What is 45 divided by 9? Explain.",
  "Name five animals that live in the desert.",
  "Write a JavaScript function that adds two numbers.",
  "How do vaccines work?",
  "Translate 'thank you very much' into German and Italian.",
  "Give me three tips for better sleep.",
  "What causes the tides?",
  "Write a polite letter that declines an invitation.",
  "Who wrote The Origin of Species, and why does it matter?",
  "Describe the water cycle.",
  "What is the difference between a list and a tuple in Python?",
  "If a train travels 60 miles in an hour, how far does it travel in 3 hours?",
  "Write four lines that rhyme about autumn.",
  "How is glass made?",
  "What should I pack for a week at the seaside?",
  "Explain what a database index is.",
  "Which planets have rings?",
  "Write a slogan for a shop that mends shoes.",
  "Why do leaves change their colour?",
];
