"""The statements that merge files of user profiles. Pure text."""

from assets.ingest.merge_sql import describe_users

STAGING = """CREATE TEMPORARY TABLE staged_profile_rows (
    line bigint, user_id text, gender text, age smallint, country text, registered_on date
) ON COMMIT DROP"""


def merge_profiles(file_id: int) -> tuple[str, ...]:
    """Return the statements that move the staged profiles into raw.*, in the order in which they run.

    The first row of a user counts; users without a listen are kept as well.
    """
    return (
        f"""
INSERT INTO raw.user_profiles (file_id, user_id, gender, age, country, registered_on, stated_at)
SELECT DISTINCT ON (user_id) {file_id}, user_id, gender, age, country, registered_on, clock_timestamp()
FROM staged_profile_rows ORDER BY user_id, line
""",
        describe_users(f"SELECT user_id FROM raw.user_profiles WHERE file_id = {file_id}"),
        f"""
INSERT INTO raw.rejected_listens (file_id, line, reason, fields)
SELECT {file_id}, line, reason, fields::jsonb FROM staged_rejects ORDER BY line
""",
    )
