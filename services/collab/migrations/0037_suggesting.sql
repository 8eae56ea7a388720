-- Suggesting mode: branches whose changes are suggestions.
ALTER TABLE branches
    ADD COLUMN kind text COLLATE "C" NOT NULL DEFAULT 'branch'
        CHECK (kind IN ('branch', 'suggestion')),
    -- Of a branch of suggestions: its version up to which its changes were told; `base_seq` is the
    -- scene's.
    ADD COLUMN followed_seq bigint NOT NULL DEFAULT 0 CHECK (followed_seq >= 0),
    -- Its changes that suggestions tell, by their places in the text of `base`, in characters:
    -- [[suggestion, from, to, text, outdated, attributes], …].
    ADD COLUMN hunks jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(hunks) = 'array'),
    -- Changes that no suggestion tells.
    ADD COLUMN unexpressed integer NOT NULL DEFAULT 0 CHECK (unexpressed >= 0);
CREATE UNIQUE INDEX branches_suggesting ON branches (scene_id, created_by)
    WHERE kind = 'suggestion';
-- Nobody names these.
DROP INDEX branches_name;
CREATE UNIQUE INDEX branches_name ON branches (scene_id, name)
    WHERE state <> 'closed' AND kind = 'branch';
GRANT UPDATE (followed_seq, hunks, unexpressed) ON branches TO {role};

ALTER TABLE suggestions ADD COLUMN branch_id uuid REFERENCES branches;
CREATE INDEX suggestions_of_branch ON suggestions (branch_id) WHERE branch_id IS NOT NULL;

-- Suggestions of formatting: blocks (Slate JSON) instead of `text`, which has their words then, or
-- marks of the words and attributes of their blocks: {"marks": {…}, "block": {…}}.
ALTER TABLE suggestions
    ADD COLUMN blocks jsonb CHECK (jsonb_typeof(blocks) = 'array'),
    ADD COLUMN attributes jsonb CHECK (jsonb_typeof(attributes) = 'object'),
    DROP CONSTRAINT suggestions_kind_check,
    DROP CONSTRAINT suggestions_check1,
    -- Marks that the words have already are no edit.
    DROP CONSTRAINT suggestions_check,
    ADD CONSTRAINT suggestions_reverted_later CHECK (reverted_seq >= applied_seq),
    ADD CONSTRAINT suggestions_kind_check
        CHECK (kind IN ('replace', 'insert', 'delete', 'attributes')),
    ADD CONSTRAINT suggestions_says_something
        CHECK ((kind IN ('delete', 'attributes')) = (text = '')),
    ADD CONSTRAINT suggestions_attributes CHECK ((kind = 'attributes') = (attributes IS NOT NULL)),
    ADD CONSTRAINT suggestions_blocks CHECK (blocks IS NULL OR kind IN ('replace', 'insert'));
