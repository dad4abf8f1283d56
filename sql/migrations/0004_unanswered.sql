-- Whether an earlier try went out and got no answer: the far side may have the message already.

ALTER TABLE messages ADD COLUMN unanswered boolean NOT NULL DEFAULT false;
