"""models and prompts

Revision: 0002, after 0001.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table('models',
    sa.Column('project_id', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=128), nullable=False),
    sa.Column('organisation_id', sa.String(length=64), nullable=False),
    sa.Column('declaration', sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql'), nullable=False),
    sa.Column('updated_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_models_project_id_projects')),
    sa.PrimaryKeyConstraint('project_id', 'name', name=op.f('pk_models'))
    )
    op.create_table('prompts',
    sa.Column('project_id', sa.String(length=64), nullable=False),
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('organisation_id', sa.String(length=64), nullable=False),
    sa.Column('current_version', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_prompts_project_id_projects')),
    sa.PrimaryKeyConstraint('project_id', 'id', name=op.f('pk_prompts'))
    )
    op.create_table('prompt_versions',
    sa.Column('project_id', sa.String(length=64), nullable=False),
    sa.Column('prompt_id', sa.String(length=64), nullable=False),
    sa.Column('version', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('organisation_id', sa.String(length=64), nullable=False),
    sa.Column('body', sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql'), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['project_id', 'prompt_id'], ['prompts.project_id', 'prompts.id'], name=op.f('fk_prompt_versions_project_id_prompts')),
    sa.PrimaryKeyConstraint('project_id', 'prompt_id', 'version', name=op.f('pk_prompt_versions'))
    )
    with op.batch_alter_table('api_keys', schema=None) as batch_op:
        batch_op.add_column(sa.Column('models', sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql'), nullable=True))

    with op.batch_alter_table('sessions', schema=None) as batch_op:
        batch_op.add_column(sa.Column('cost_micros', sa.BigInteger(), nullable=True))

    with op.batch_alter_table('usage', schema=None) as batch_op:
        batch_op.add_column(sa.Column('cost_micros', sa.BigInteger(), nullable=True))



def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table('usage', schema=None) as batch_op:
        batch_op.drop_column('cost_micros')

    with op.batch_alter_table('sessions', schema=None) as batch_op:
        batch_op.drop_column('cost_micros')

    with op.batch_alter_table('api_keys', schema=None) as batch_op:
        batch_op.drop_column('models')

    op.drop_table('prompt_versions')
    op.drop_table('prompts')
    op.drop_table('models')
